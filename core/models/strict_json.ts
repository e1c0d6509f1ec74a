// JSON whose objects name every field once, with whole numbers written as such. Headers of weight
// files go through this: JSON.parse keeps the last of two equal names, so that two readers of one
// file could see two different tensors.

const maxDepth = 32;

/**
 * Parses JSON; objects come without prototype, so that a field named __proto__ is a field.
 * Throws SyntaxError for repeated names, numbers that are not plain non-negative whole numbers,
 * strings that are not well-formed Unicode, and more than 32 levels of nesting.
 */
export function parseStrictJson(text: string): unknown {
  JSON.parse(text); // settles the grammar; what follows may assume it
  const open: Container[] = [];
  let root: unknown;
  for (const lexeme of lexemes(text)) {
    const top = open.at(-1);
    if (lexeme === "}" || lexeme === "]") {
      open.pop();
    } else if (lexeme === ",") {
      if (top) top.key = undefined;
    } else if (top && !Array.isArray(top.value) && top.key === undefined) {
      top.key = newKey(top.value, lexeme);
    } else {
      const nests = lexeme === "{" || lexeme === "[";
      const value = lexeme === "{" ? Object.create(null) : nests ? [] : scalar(lexeme);
      if (!top) root = value;
      else if (Array.isArray(top.value)) top.value.push(value);
      else if (top.key !== undefined) top.value[top.key] = value;
      if (nests && open.push({ value }) > maxDepth) throw new SyntaxError("deep nesting");
    }
  }
  return root;
}

interface Container {
  value: Record<string, unknown> | unknown[];
  key?: string;
}

/** Brackets, commas and scalars of valid JSON; colons carry nothing. */
function* lexemes(text: string): Generator<string> {
  const spaces = " \t\r\n:";
  for (let at = 0; at < text.length;) {
    const first = text.charAt(at);
    const start = at++;
    if (spaces.includes(first)) continue;
    if (first === '"') {
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      at++;
    } else if (!"{}[],".includes(first)) {
      while (at < text.length && !" \t\r\n,]}".includes(text.charAt(at))) at++;
    }
    yield text.slice(start, at);
  }
}

function newKey(object: Record<string, unknown>, lexeme: string): string {
  const key = string(lexeme);
  if (Object.hasOwn(object, key)) {
    throw new SyntaxError(`repeated name ${lexeme.slice(0, 100)}`);
  }
  return key;
}

function scalar(lexeme: string): unknown {
  if (lexeme.startsWith('"')) return string(lexeme);
  if (lexeme === "true" || lexeme === "false" || lexeme === "null") return JSON.parse(lexeme);
  const value = Number(lexeme);
  if (!/^\d+$/.test(lexeme) || !Number.isSafeInteger(value)) {
    throw new SyntaxError(`number ${lexeme.slice(0, 100)}`);
  }
  return value;
}

function string(lexeme: string): string {
  const text: string = JSON.parse(lexeme);
  if (!text.isWellFormed()) throw new SyntaxError(`string ${lexeme.slice(0, 100)}`);
  return text;
}
