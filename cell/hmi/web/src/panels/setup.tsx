import type { Snapshot } from "../snapshot";
import { type Word, useSpeech } from "../words";

export function Setup({ snapshot }: { snapshot: Snapshot | null }) {
  const speech = useSpeech();
  if (!snapshot) return <section class="panel setup" aria-label={speech.say("setup")} />;
  const { model, latency_ms: latency } = snapshot;
  const { p50, p99 } = latency.frame_to_decision;
  const versions = Object.entries(snapshot.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  const rows: [Word, string][] = [
    ["setup.model", model.id || "–"],
    ["setup.hash", model.hash.slice(0, 12) || "–"],
    ["setup.licence", model.licence || "–"],
    ["setup.overkill", `${speech.decimal(model.overkill * 100, 1)} %`],
    ["setup.threshold", speech.decimal(model.threshold, 3)],
    ["setup.policy", snapshot.policy || "–"],
    ["setup.latency", speech.say("setup.latency.value", { p50: speech.count(p50), p99: speech.count(p99) })],
    ["setup.versions", versions || "–"],
  ];
  return (
    <section class="panel setup" aria-labelledby="setup-title">
      <h2 id="setup-title">{speech.say("setup")}</h2>
      <dl>
        {rows.map(([word, value]) => (
          <div key={word}>
            <dt>{speech.say(word)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
