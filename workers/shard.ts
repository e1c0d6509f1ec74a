// One shard as its lead holds it: a Worker that is called over a port, watched for its end and for
// silence, and closed so that its engine frees what it holds.
import { CorruptFileError, InputError, ShardError } from "../core/errors.ts";
import { connect } from "./rpc.ts";
import type { ShardMethods, SignOfLife } from "./shard_worker.ts";
import { openLine, startThread } from "./thread.ts";

/** A running shard. Once a call has failed, all later ones fail with the same ShardError. */
export interface Shard {
  call<M extends keyof ShardMethods>(
    method: M,
    argument?: Parameters<ShardMethods[M]>[0],
    signal?: AbortSignal,
  ): Promise<Answer<M>>;
  /** Ends the shard: closed where it answers in time, cut off where it does not. */
  stop(): Promise<void>;
}

type Answer<M extends keyof ShardMethods> = Awaited<ReturnType<ShardMethods[M]>>;

/** How long a shard may take to close: it may be in the middle of a pack. */
const CLOSING_SECONDS = 3;

/**
 * Starts a shard. It counts as lost when it neither answers nor shows life for `timeoutSeconds`
 * while a call is open. Throws ShardError, as all its calls do, naming the shard.
 */
export async function startShard(
  name: string,
  { timeoutSeconds, onLife = () => {} }: {
    timeoutSeconds: number;
    onLife?: (sign: SignOfLife) => void;
  },
): Promise<Shard> {
  let failure: ShardError | undefined;
  const fail = (reason: string, cause?: unknown) =>
    failure ??= new ShardError(
      `Cannot go on training: expected every shard to answer, got none of ${name}: ${reason}; ` +
        "the same command goes on from the last checkpoint",
      { cause },
    );

  const url = new URL("./shard_worker.ts", import.meta.url);
  const thread = await startThread(url, { name }).catch((error) => {
    throw fail(describe(error), error);
  });
  const line = openLine();
  thread.watch(line);
  thread.post({ type: "init", port: line.far }, [line.far]);
  const client = connect(line.near);
  thread.ended.then((reason) => client.fail(fail(reason)));

  const silence = watchSilence(timeoutSeconds, () => {
    client.fail(fail(`it was silent for ${timeoutSeconds} s`));
  });
  line.near.addEventListener("message", ({ data }: MessageEvent) => {
    silence.broken();
    if (data?.type === "alive") onLife(data);
  });

  return {
    async call<M extends keyof ShardMethods>(
      method: M,
      argument?: Parameters<ShardMethods[M]>[0],
      signal?: AbortSignal,
    ): Promise<Answer<M>> {
      if (failure) throw failure;
      silence.begin();
      try {
        return await client.call<Answer<M>>(method, argument, signal);
      } catch (error) {
        if (saidOnPurpose(error)) throw error;
        throw fail(describe(error), error);
      } finally {
        silence.end();
      }
    },

    async stop() {
      const patience = watchSilence(CLOSING_SECONDS, thread.stop);
      patience.begin();
      await client.call("close").catch(() => {}); // lost or cut off: there is nothing to close
      patience.end();
      thread.stop();
    },
  };
}

/** Calls `onSilence` when nothing breaks the silence for `seconds` between a begin and its end. */
function watchSilence(seconds: number, onSilence: () => void) {
  let open = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function broken() {
    clearTimeout(timer);
    if (open > 0) timer = setTimeout(onSilence, 1000 * seconds);
  }
  return {
    broken,
    begin() {
      open++;
      broken();
    },
    end() {
      open--;
      broken();
    },
  };
}

/** Wrong input and Ctrl-C are no failures of the shard. */
function saidOnPurpose(error: unknown): boolean {
  return error instanceof InputError || error instanceof CorruptFileError ||
    (error instanceof DOMException && error.name === "AbortError");
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
