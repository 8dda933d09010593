// The line to the server: snapshots, pictures, who we are, commands. Reconnects by itself.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Me, Snapshot } from "./snapshot";

const staleAfterS = 1;
const retryMs = 1000;

const socketUrl = (path: string) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;

export interface Live {
  snapshot: Snapshot | null;
  connected: boolean;
  /** Data older than a second, or nobody there who could send newer. */
  stale: boolean;
  ageS: number;
}

/** The newest snapshot and how old it is. */
export function useLive(): Live {
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);
  const [connected, setConnected] = useState(false);
  const [ageS, setAgeS] = useState(0);
  const taken = useRef(0);

  useEffect(() => {
    let socket: WebSocket;
    let retry = 0;
    let merged: Snapshot | null = null;
    let left = false;
    const open = () => {
      socket = new WebSocket(socketUrl("/ws"));
      let first = true;
      socket.onmessage = (event: MessageEvent<string>) => {
        const changed = JSON.parse(event.data) as Partial<Snapshot>;
        // The first message is whole, the others hold what changed. What did not change keeps its identity.
        merged = first ? (changed as Snapshot) : ({ ...merged, ...changed } as Snapshot);
        first = false;
        taken.current = performance.now() - merged.age_s * 1000;
        setConnected(true);
        setAgeS(merged.age_s);
        setSnapshot(merged);
        // Paces the server: what a busy browser cannot show is never sent.
        socket.send("next");
      };
      socket.onclose = () => {
        setConnected(false);
        if (!left) retry = window.setTimeout(open, retryMs);
      };
    };
    open();
    // Shows data growing old while no message comes; four times a second so that stale shows soon after a second.
    const clock = window.setInterval(() => {
      if (merged) setAgeS(Math.round((performance.now() - taken.current) / 250) / 4);
    }, 250);
    return () => {
      left = true;
      window.clearTimeout(retry);
      window.clearInterval(clock);
      socket.close();
    };
  }, []);

  return { snapshot, connected, ageS, stale: snapshot !== null && (!connected || ageS > staleAfterS) };
}

/**
 * The newest picture as an object URL, null before the first. The next one is asked for only when this one is on the
 * screen (`shown`), so that a slow browser gets fewer pictures and never a queue of them.
 */
export function usePicture(): { url: string | null; shown: () => void } {
  const [url, setUrl] = useState<string | null>(null);
  const ask = useRef<() => void>(() => undefined);
  const old = useRef<string[]>([]);

  useEffect(() => {
    let socket: WebSocket | null = null;
    let retry = 0;
    ask.current = () => {
      if (socket?.readyState === WebSocket.OPEN && !document.hidden) socket.send("next");
    };
    const whenSeen = () => ask.current();
    const open = () => {
      socket = new WebSocket(socketUrl("/ws/picture"));
      socket.binaryType = "blob";
      socket.onopen = whenSeen;
      socket.onmessage = (event: MessageEvent<Blob>) => {
        const next = URL.createObjectURL(new Blob([event.data], { type: "image/jpeg" }));
        old.current.push(next);
        setUrl(next);
      };
      socket.onclose = () => {
        retry = window.setTimeout(open, retryMs);
      };
    };
    open();
    document.addEventListener("visibilitychange", whenSeen);
    return () => {
      document.removeEventListener("visibilitychange", whenSeen);
      window.clearTimeout(retry);
      if (socket) {
        socket.onclose = null;
        socket.close();
      }
      for (const gone of old.current.splice(0)) URL.revokeObjectURL(gone);
    };
  }, []);

  const shown = useCallback(() => {
    for (const gone of old.current.splice(0, old.current.length - 1)) URL.revokeObjectURL(gone);
    ask.current();
  }, []);

  return { url, shown };
}

const nobody: Me = { logged_in: false, role: "viewer", may_command: false };

/** Who this browser is logged in as; asked again whenever the line comes back. */
export function useMe(connected: boolean): { me: Me; refresh: () => void; logout: () => Promise<void> } {
  const [me, setMe] = useState<Me>(nobody);

  const refresh = useCallback(() => {
    fetch("/api/v1/me", { cache: "no-store" })
      .then((answer) => (answer.ok ? (answer.json() as Promise<Me>) : nobody))
      .then(setMe)
      .catch(() => {
        // Without a line nothing is known; what was known stays.
      });
  }, []);

  useEffect(() => {
    if (connected) refresh();
  }, [connected, refresh]);

  const logout = useCallback(async () => {
    await fetch("/logout", { method: "POST" }).catch(() => undefined);
    refresh();
  }, [refresh]);

  return { me, refresh, logout };
}

export type Answer = { kind: "done" | "refused" | "login" | "lost"; message: string };

/** Send a command and wait for what became of it. */
export async function sendCommand(command: string): Promise<Answer> {
  try {
    const answer = await fetch("/api/v1/command", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ command: command.toLowerCase() }),
      signal: AbortSignal.timeout(5000),
    });
    if (answer.status === 401 || answer.status === 403) return { kind: "login", message: "" };
    const body = (await answer.json()) as { message?: string; error?: string };
    return { kind: answer.ok ? "done" : "refused", message: body.message ?? body.error ?? "" };
  } catch {
    return { kind: "lost", message: "" };
  }
}
