import type { Part } from "../snapshot";
import { useSpeech } from "../words";

const abnormal = new Set(["missed", "dropped", "unknown"]);

export function Parts({ parts }: { parts: Part[] }) {
  const speech = useSpeech();
  return (
    <section class="panel parts" aria-labelledby="parts-title">
      <h2 id="parts-title">{speech.say("parts")}</h2>
      {parts.length === 0 ? (
        <p class="none">{speech.say("parts.none")}</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                {speech.say("parts.number")}
              </th>
              <th scope="col">{speech.say("parts.verdict")}</th>
              <th scope="col">{speech.say("parts.defects")}</th>
              <th scope="col" class="number">
                {speech.say("parts.score")}
              </th>
              <th scope="col">{speech.say("parts.fate")}</th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part) => (
              <tr key={part.part_id} data-testid={`part-${part.part_id}`}>
                <td class="number">{part.part_id}</td>
                <td class={part.verdict === "defective" ? "strong" : ""}>{speech.name("verdict", part.verdict)}</td>
                <td>{part.defects.map((defect) => speech.name("defect", defect)).join(", ") || "–"}</td>
                <td class="number">{speech.decimal(part.score, 2)}</td>
                <td class={abnormal.has(part.fate) ? "marked" : part.fate ? "" : "open"}>
                  {speech.name("fate", part.fate || "open")}
                  {part.bin && part.fate === "sorted" && <span class="bin"> · {speech.name("bin", part.bin)}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
