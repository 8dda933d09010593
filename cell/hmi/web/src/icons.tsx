// The shapes that go with the words: a state or a fault is never told by colour alone.
const shapes: Record<string, string> = {
  run: "M8 5.5v13l11-6.5z",
  stop: "M6.5 6.5h11v11h-11z",
  pause: "M7 5.5h3.6v13H7zM13.4 5.5H17v13h-3.6z",
  ready: "M12 4.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zm0 2.6a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.8z",
  done: "M9.6 18.2 4 12.6l2-2 3.6 3.6L18 5.8l2 2z",
  abort: "M8.2 3.5h7.6l4.7 4.7v7.6l-4.7 4.7H8.2l-4.7-4.7V8.2zM11 7.5v5.8h2V7.5zm0 7.4v2h2v-2z",
  turn: "M12 4a8 8 0 0 1 8 8h-2.6A5.4 5.4 0 0 0 12 6.6zM12 20a8 8 0 0 1-8-8h2.6a5.4 5.4 0 0 0 5.4 5.4z",
  warn: "M12 3.5 22 20.5H2zM11 10v5h2v-5zm0 6.3v2h2v-2z",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={shapes[name] ?? shapes.ready} fill="currentColor" fill-rule="evenodd" />
    </svg>
  );
}

const still: Record<string, string> = {
  Stopped: "stop",
  Idle: "ready",
  Suspended: "pause",
  Execute: "run",
  Aborted: "abort",
  Held: "pause",
  Complete: "done",
};

/** The shape of a PackML state; everything that is on its way somewhere turns. */
export const stateIcon = (name: string): string => (name === "Aborting" ? "abort" : (still[name] ?? "turn"));
