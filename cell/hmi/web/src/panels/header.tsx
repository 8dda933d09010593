import type { Live } from "../connection";
import type { Me } from "../snapshot";
import { type Language, type Word, useSpeech } from "../words";

interface Props {
  live: Live;
  me: Me;
  logout: () => Promise<void>;
  language: Language;
  choose: (language: Language) => void;
}

const names: Record<Language, string> = { ko: "한국어", en: "English" };

export function Header({ live, me, logout, language, choose }: Props) {
  const speech = useSpeech();
  const line: [string, Word] = live.stale
    ? ["old", "fresh.connecting"]
    : live.snapshot
      ? ["live", "fresh.live"]
      : ["old", live.connected ? "fresh.waiting" : "fresh.connecting"];
  return (
    <header>
      <h1>
        <span class="mark">cellwright</span>
        <span class="what">{speech.say("title")}</span>
        {live.snapshot?.simulated && <span class="tag">{speech.say("simulated")}</span>}
      </h1>
      <div class="who">
        <span class={`line ${line[0]}`} data-testid="line">
          {live.stale && live.connected ? speech.say("fresh.waiting") : speech.say(line[1])}
        </span>
        <span class="role" data-testid="role" data-role={me.role}>
          {speech.name("access", me.role)}
        </span>
        {me.logged_in && (
          <button type="button" class="quiet" data-testid="logout" onClick={() => void logout()}>
            {speech.say("access.logout")}
          </button>
        )}
      </div>
      <div class="languages" role="group" aria-label={speech.say("language.choose")}>
        {(["ko", "en"] as const).map((code) => (
          <button
            key={code}
            type="button"
            lang={code}
            aria-pressed={language === code}
            data-testid={`lang-${code}`}
            onClick={() => choose(code)}
          >
            {names[code]}
          </button>
        ))}
      </div>
    </header>
  );
}
