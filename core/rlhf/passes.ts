// The forward passes that an update of PPO takes back: policy and critic over some of the answers. The
// first update of an iteration gets those that the estimates were made with (experience.ts), as nothing
// has changed since; the others open theirs before they begin.
import type { Sequence } from "../text/pack.ts";
import type { TokenBatch, TokenPass } from "../token_pass.ts";

/** Open passes, which hold memory until their backward() or dispose(). */
export interface UpdatePasses {
  policy: TokenBatch; // log π
  critic: TokenBatch; // V
  /** Closes what is still open. */
  dispose(): void;
}

/** Opens passes over the answers `members`; where one breaks, nothing is held. */
export async function openPasses(
  models: Record<"policy" | "critic", Pick<TokenPass, "forward">>,
  answers: { sequences: Sequence[]; preferences: number[][] }, // (S), (S, M)
  members: number[],
): Promise<UpdatePasses> {
  const sequences = members.map((s) => answers.sequences[s] as Sequence);
  const preferences = members.map((s) => answers.preferences[s] ?? []);
  const policy = await models.policy.forward(sequences, preferences);
  try {
    const critic = await models.critic.forward(sequences, preferences);
    return {
      ...{ policy, critic },
      dispose() {
        policy.dispose();
        critic.dispose();
      },
    };
  } catch (error) {
    policy.dispose();
    throw error;
  }
}
