import { Icon } from "../icons";
import type { Alarm } from "../snapshot";
import { useSpeech } from "../words";

const shown = 3;

/** What asks for attention first: new before seen, active before gone, then by priority and age. */
const rank = (a: Alarm): number => (a.acknowledged ? 0 : 100) + (a.active ? 10 : 0) + a.priority;

export function AlarmBar({ alarms, known }: { alarms: Alarm[]; known: boolean }) {
  const speech = useSpeech();
  const open = alarms.filter((a) => a.active || !a.acknowledged);
  const sorted = [...open].sort((a, b) => rank(b) - rank(a) || a.since_s - b.since_s);
  const more = sorted.length - shown;
  return (
    <section
      class={`alarm-bar ${sorted.length ? "has-alarms" : ""}`}
      data-testid="alarm-bar"
      data-count={sorted.length}
      aria-label={speech.say("alarms")}
    >
      {/* What is read out: the first alarm without its age, which changes every second. */}
      <p class="unseen" role="status" aria-live="polite">
        {sorted[0] ? `${speech.name("priority", String(sorted[0].priority))}: ${speech.sentence(sorted[0].message)}` : ""}
      </p>
      {sorted.length === 0 ? (
        <p class="none">{known ? speech.say("alarms.none") : " "}</p>
      ) : (
        <ul>
          {sorted.slice(0, shown).map((alarm) => (
            <li key={alarm.key} class={`alarm p${alarm.priority} ${alarm.acknowledged ? "seen" : "new"}`} data-testid={`alarm-${alarm.key}`}>
              <Icon name="warn" />
              <span class="priority">{speech.name("priority", String(alarm.priority))}</span>
              <span class="message">{speech.sentence(alarm.message)}</span>
              <span class="note">
                {!alarm.active
                  ? speech.say("alarms.returned")
                  : alarm.acknowledged
                    ? speech.say("alarms.acknowledged")
                    : speech.say("alarms.unacknowledged")}
                {" · "}
                {speech.age(alarm.since_s)}
              </span>
            </li>
          ))}
          {more > 0 && <li class="more">{speech.say("alarms.more", { n: more })}</li>}
        </ul>
      )}
    </section>
  );
}
