// A chat template for base models that bring none, so that they can be taught to answer: Alpaca's
// prompt (Taori et al. 2023), which needs no special token but the end. Used by supervised
// fine-tuning, which writes it into the model folder it makes.
import type { ChatTokenizer } from "./tokenizer.ts";

/** The tokenizer with its own chat template, or with this one where it has none. */
export function withAnyTemplate(tokenizer: ChatTokenizer): ChatTokenizer {
  return tokenizer.hasTemplate ? tokenizer : tokenizer.withTemplate(alpacaTemplate);
}

/** Jinja source. A system message takes the place of the first sentence. */
export const alpacaTemplate = [
  "{{ bos_token if bos_token is defined and bos_token is not none else '' }}",
  "{% if messages[0]['role'] != 'system' %}",
  "{{ 'Below is an instruction that describes a task. Write a response that appropriately " +
  "completes the request.\\n\\n' }}",
  "{% endif %}",
  "{% for message in messages %}",
  "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}",
  "{% elif message['role'] == 'user' %}",
  "{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}",
  "{% else %}{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}",
  "{% endfor %}",
  "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}",
].join("");
