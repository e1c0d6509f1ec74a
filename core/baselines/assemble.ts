// Members become one adapter: their parameters side by side, under the names that composite adapters
// take them by.
import { memberParameter } from "../adapters/composite.ts";
import type { StoredParameters } from "../adapters/parameters.ts";

/** All parameters of the members (K), those of member i under names of its own. */
export function assembleMembers(members: StoredParameters[]): StoredParameters {
  const whole: StoredParameters = new Map();
  members.forEach((parameters, i) => {
    for (const [name, value] of parameters) {
      const end = name.lastIndexOf(".") + 1; // the map's name, then the parameter's
      whole.set(name.slice(0, end) + memberParameter(i, name.slice(end)), value);
    }
  });
  return whole;
}
