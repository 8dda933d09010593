// The two languages. Both dictionaries have the same keys; a test compares them.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import en from "./words/en.json";
import ko from "./words/ko.json";

export type Language = "ko" | "en";
export type Word = keyof typeof en;

const dictionaries: Record<Language, Record<string, string>> = { en, ko };
const phrases = (Object.entries(en) as [Word, string][])
  .filter(([key]) => key.startsWith("phrase."))
  .map(([key, text]): [Word, RegExp] => {
    const escaped = text.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
    return [key, new RegExp(`^${escaped.replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "i")];
  });
const memory = "cellwright.language";

export function rememberedLanguage(): Language {
  try {
    const kept = localStorage.getItem(memory);
    if (kept === "ko" || kept === "en") return kept;
  } catch {
    // Storage may be forbidden; the browser's language decides then.
  }
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

export function rememberLanguage(language: Language): void {
  try {
    localStorage.setItem(memory, language);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export class Speech {
  private readonly whole: Intl.NumberFormat;

  constructor(readonly language: Language) {
    this.whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  }

  /** The text of a key, with {name} replaced. */
  say(word: Word, values: Record<string, string | number> = {}): string {
    return (dictionaries[this.language][word] ?? word).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  }

  /** The text for a name that the cell sends; a name that no dictionary knows is shown as it came. */
  name(group: string, name: string): string {
    return dictionaries[this.language][`${group}.${name}`] ?? name;
  }

  /**
   * What the cell says in its own English words, in the chosen language where a phrase of the dictionaries fits. The
   * English phrase is the pattern; names of commands, states and devices in it are translated too.
   */
  phrase(text: string): string {
    for (const [word, pattern] of phrases) {
      const found = pattern.exec(text);
      if (!found) continue;
      const values: Record<string, string> = {};
      for (const [kind, value] of Object.entries(found.groups ?? {})) values[kind] = this.part(kind, value);
      return this.say(word, values);
    }
    return this.name("state", text);
  }

  /** A phrase that stands alone. */
  sentence(text: string): string {
    const said = this.phrase(text);
    return this.language === "en" ? said.charAt(0).toUpperCase() + said.slice(1) : said;
  }

  private part(kind: string, value: string): string {
    if (kind === "states") return value.split(" or ").map((name) => this.name("state", name)).join(" / ");
    if (kind === "rest") return this.phrase(value);
    return this.name(kind, value);
  }

  count(value: number): string {
    return this.whole.format(value);
  }

  decimal(value: number, digits: number): string {
    return value.toLocaleString(this.language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  age(seconds: number): string {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return this.say("age.s", { n: s });
    if (s < 3600) return this.say("age.min", { n: Math.floor(s / 60) });
    return this.say("age.h", { n: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  }
}

export const SpeechContext = createContext(new Speech("en"));
export const useSpeech = (): Speech => useContext(SpeechContext);
