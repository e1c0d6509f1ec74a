// Ten things that no Worker of the service may do, each tried once (27_privilege_test.ts). Answers
// with the name of the error of each, or "allowed".
import { z } from "zod";
import { answer } from "../../workers/rpc.ts";
import { awaitInit } from "../../workers/worker_scope.ts";

/** What the probes reach for; all of it exists. */
export interface Targets {
  home: string; // a folder of the user's
  outside: string; // a folder beside the runs
  runs: string;
  port: number; // somebody listens there
  library: string; // a library that is not this Worker's
}

const Init = z.object({ port: z.custom<MessagePort>() });

const probes: Record<string, (targets: Targets) => unknown> = {
  "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
  "read HOME": ({ home }) => [...Deno.readDirSync(home)],
  "write outside": ({ outside }) => Deno.writeTextFileSync(`${outside}/written`, "x"),
  run: () => new Deno.Command("python3", { args: ["--version"] }).outputSync(),
  "other env": () => Deno.env.get("HOME"),
  "other net": async ({ port }) => (await Deno.connect({ port })).close(),
  "other ffi": ({ library }) => Deno.dlopen(library, {}).close(),
  sys: () => Deno.osRelease(),
  import: ({ outside }) => import(`file://${outside}/module.ts`),
  symlink: ({ outside, runs }) => {
    Deno.symlinkSync(`${outside}/secret`, `${runs}/a/link`);
    Deno.readTextFileSync(`${runs}/a/link`);
  },
  "import from afar": () => import("https://example.org/module.ts" as string),
  // Deno fetches packages with its own hands, whatever a Worker may: the task's flags forbid it.
  "import a package": () => import("npm:@panacea-probe/none@1.0.0" as string),
  "a freer Worker": () => {
    const options = { type: "module", deno: { permissions: { read: true } } } as const;
    new Worker("data:text/javascript,", options).terminate();
  },
  signals: () => Deno.kill(1, "SIGCONT"),
};

awaitInit(Init).then(({ port }) => {
  answer(port, {
    async probe(targets: Targets) {
      const outcomes: Record<string, string> = {};
      for (const [name, probe] of Object.entries(probes)) {
        try {
          await probe(targets);
          outcomes[name] = "allowed";
        } catch (error) {
          outcomes[name] = error instanceof Error ? `${error.name}: ${error.message}` : "?";
        }
      }
      return outcomes;
    },
  });
});
