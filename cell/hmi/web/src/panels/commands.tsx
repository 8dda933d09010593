import { useState } from "preact/hooks";
import { type Answer, sendCommand } from "../connection";
import type { Me } from "../snapshot";
import { type Word, useSpeech } from "../words";

// Fixed places: a button never moves under a finger.
const commands = ["Start", "Stop", "Reset", "Clear", "Abort", "Hold", "Unhold", "Suspend", "Unsuspend", "Complete"] as const;

// Never taken away because data is stale: the cell itself decides whether it accepts them.
const alwaysOffered = new Set<string>(["Stop", "Abort"]);

interface Props {
  allowed: string[];
  me: Me;
  stale: boolean;
  refresh: () => void;
}

type Note = { command: Word; word: Word; kind: Answer["kind"] | "sent"; message: string };

export function Commands({ allowed, me, stale, refresh }: Props) {
  const speech = useSpeech();
  const [busy, setBusy] = useState<string | null>(null);
  const [note, setNote] = useState<Note | null>(null);

  const send = async (command: (typeof commands)[number]) => {
    setBusy(command);
    setNote({ command: `command.${command}`, word: "command.sent", kind: "sent", message: "" });
    const answer = await sendCommand(command);
    setNote({ command: `command.${command}`, word: `command.${answer.kind}`, kind: answer.kind, message: answer.message });
    setBusy(null);
    if (answer.kind === "login") refresh();
  };

  const offered = (command: string) =>
    me.may_command && (stale ? alwaysOffered.has(command) : allowed.includes(command));

  return (
    <div class="commands">
      <h2 class="unseen">{speech.say("commands")}</h2>
      <div class="buttons" role="group" aria-label={speech.say("commands")}>
        {commands.map((command) => (
          <button
            key={command}
            type="button"
            class={`command ${command.toLowerCase()}`}
            data-testid={`button-${command.toLowerCase()}`}
            // Stop and Abort do not wait for the answer to another command.
            disabled={!offered(command) || (busy !== null && !alwaysOffered.has(command))}
            aria-busy={busy === command}
            aria-describedby={me.may_command ? undefined : "login-hint"}
            onClick={() => void send(command)}
          >
            {speech.say(`command.${command}`)}
          </button>
        ))}
      </div>
      <div class="command-note">
        {!me.may_command ? (
          <p id="login-hint" class="login-hint" data-testid="login-hint">
            {speech.say("access.hint")}
          </p>
        ) : (
          !note && !stale && <p class="login-hint">{speech.say("commands.hint")}</p>
        )}
        <p class={`answer ${note?.kind ?? ""}`} role="status" aria-live="polite" data-testid="command-result">
          {note && (
            <>
              <strong>{speech.say(note.word, { command: speech.say(note.command) })}</strong>
              {note.message && <span>{speech.sentence(note.message)}</span>}
            </>
          )}
        </p>
      </div>
    </div>
  );
}
