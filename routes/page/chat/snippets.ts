// The question on the page as a command for a terminal and as a program: what to copy in order to
// ask the same outside the browser.
import type { Sampling } from "../address.ts";
import { formatPreference } from "../front/preference.ts";

/** What is asked, of which server. */
export interface Asked {
  origin: string; // http://127.0.0.1:8000
  model: string; // base:adapter, as under /v1
  adapter: string;
  preference: number[];
  question: string;
  sampling: Sampling;
  /** Whether the server wants a key; it is read from PANACEA_API_KEY, never written out. */
  key: boolean;
}

/** A curl command for a POSIX shell. */
export function curlCommand(asked: Asked): string {
  const { seed, temperature, top_p, max_tokens } = asked.sampling;
  const body = {
    messages: [{ role: "user", content: asked.question }],
    ...(max_tokens === null ? {} : { max_tokens }),
    temperature,
    top_p,
    seed,
  };
  const query = new URLSearchParams({ adapter: asked.adapter }).toString();
  const address = `${asked.origin}/chat?${query}&preference=${formatPreference(asked.preference)}`;
  return [
    `curl ${shellQuoted(address)}`,
    ...(asked.key ? ['-H "Authorization: Bearer $PANACEA_API_KEY"'] : []),
    "-H 'Content-Type: application/json'",
    `-d ${shellQuoted(JSON.stringify(body, null, 2))}`,
  ].join(" \\\n  ");
}

/** A Python program that uses the openai package. */
export function pythonProgram(asked: Asked): string {
  const { seed, temperature, top_p, max_tokens } = asked.sampling;
  const key = asked.key ? 'os.environ["PANACEA_API_KEY"]' : '"none"';
  return [
    ...(asked.key ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${pythonQuoted(`${asked.origin}/v1`)}, api_key=${key})`,
    "answer = client.chat.completions.create(",
    `    model=${pythonQuoted(asked.model)},`,
    `    messages=[{"role": "user", "content": ${pythonQuoted(asked.question)}}],`,
    ...(max_tokens === null ? [] : [`    max_tokens=${max_tokens},`]),
    `    temperature=${temperature},`,
    `    top_p=${top_p},`,
    `    seed=${seed},`,
    `    extra_body={"preference": [${formatPreference(asked.preference).split(",").join(", ")}]},`,
    ")",
    "print(answer.choices[0].message.content)",
    "",
  ].join("\n");
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A string of JSON is a string of Python, except that Python takes no lone surrogates. */
function pythonQuoted(text: string): string {
  return JSON.stringify(text.toWellFormed());
}
