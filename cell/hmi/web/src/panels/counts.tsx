import { Icon } from "../icons";
import type { Count, Snapshot } from "../snapshot";
import { useSpeech } from "../words";

const order: Count[] = ["entered", "in_flight", "sorted", "passed", "missed", "dropped", "rejected", "unknown"];
const abnormal = new Set<Count>(["missed", "dropped", "unknown"]);

export function Counts({ counts }: { counts: Snapshot["counts"] | null }) {
  const speech = useSpeech();
  return (
    <section class="panel counts" aria-labelledby="counts-title">
      <h2 id="counts-title">{speech.say("counts")}</h2>
      <dl>
        {order.map((name) => {
          const value = counts?.[name] ?? null;
          const marked = abnormal.has(name) && value !== null && value > 0;
          return (
            <div key={name} class={`count ${marked ? "marked" : ""} ${name}`}>
              <dt>
                {speech.say(`count.${name}`)}
                {marked && (
                  <>
                    <Icon name="warn" />
                    <span class="unseen">, {speech.say("count.abnormal")}</span>
                  </>
                )}
              </dt>
              <dd data-testid={`count-${name}`} data-value={value ?? ""}>
                {value === null ? "–" : speech.count(value)}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
