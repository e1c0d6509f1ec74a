// A Worker for thread_test.ts that ends in the way its first message says.
import { awaitInit } from "../../workers/worker_scope.ts";
import { answer } from "../../workers/rpc.ts";
import { z } from "zod";

const Init = z.object({ port: z.custom<MessagePort>() });

const ways: Record<string, () => void> = {
  throws: () => {
    throw new RangeError("Cannot go on\nwith more lines");
  },
  rejects: () => void Promise.reject(new Error("nobody caught this")),
  exits: () => Deno.exit(3),
  closes: () => self.close(),
  lives: () => {},
};

awaitInit(Init).then(({ port }) =>
  answer(port, {
    die: (way: string) => new Promise(() => setTimeout(() => ways[way]?.())),
    add: ([a, b]: [number, number]) => a + b,
  })
);
