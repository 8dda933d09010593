import { Icon, stateIcon } from "../icons";
import type { Snapshot } from "../snapshot";
import { type Word, useSpeech } from "../words";

const hints: Record<string, Word> = {
  Stopped: "hint.Stopped",
  Idle: "hint.Idle",
  Suspended: "hint.Suspended",
  Execute: "hint.Execute",
  Aborted: "hint.Aborted",
  Held: "hint.Held",
  Complete: "hint.Complete",
};

export function State({ state }: { state: Snapshot["state"] | null }) {
  const speech = useSpeech();
  if (!state) return <div class="state empty" data-testid="state" data-state="" />;
  const look =
    state.name === "Aborted" || state.name === "Aborting"
      ? "bad"
      : ["Held", "Holding", "Suspended", "Suspending"].includes(state.name)
        ? "waiting"
        : "";
  return (
    <div class={`state ${look}`}>
      <h2 class="unseen">{speech.say("state")}</h2>
      <div class="state-icon">
        <Icon name={stateIcon(state.name)} />
      </div>
      <div class="state-words" aria-live="polite" aria-atomic="true">
        <p class="state-name" data-testid="state" data-state={state.name}>
          {speech.name("state", state.name)}
        </p>
        <p class="reason" data-testid="reason">
          {state.reason ? speech.sentence(state.reason) : speech.say(hints[state.name] ?? "hint.acting")}
        </p>
        {state.reason && <p class="hint">{speech.say(hints[state.name] ?? "hint.acting")}</p>}
      </div>
      <dl class="state-facts">
        <div>
          <dt>{speech.say("mode")}</dt>
          <dd>{speech.name("mode", state.mode)}</dd>
        </div>
        <div>
          <dt>PackML</dt>
          <dd>
            {state.code} {state.name}
          </dd>
        </div>
        <div>
          <dt class="unseen">{speech.say("state")}</dt>
          <dd>{speech.say("since", { age: speech.age(state.since_s) })}</dd>
        </div>
      </dl>
    </div>
  );
}
