import { useEffect, useMemo, useState } from "preact/hooks";
import { useLive, useMe } from "./connection";
import { AlarmBar } from "./panels/alarms";
import { Commands } from "./panels/commands";
import { Counts } from "./panels/counts";
import { Devices } from "./panels/devices";
import { Header } from "./panels/header";
import { Parts } from "./panels/parts";
import { CameraPicture } from "./panels/picture";
import { Setup } from "./panels/setup";
import { State } from "./panels/state";
import { Trend } from "./panels/trend";
import { type Language, Speech, SpeechContext, rememberLanguage, rememberedLanguage } from "./words";

export function Page() {
  const [language, setLanguage] = useState<Language>(rememberedLanguage);
  const speech = useMemo(() => new Speech(language), [language]);
  const live = useLive();
  const { me, refresh, logout } = useMe(live.connected);
  const { snapshot, stale } = live;

  const choose = (next: Language) => {
    rememberLanguage(next);
    setLanguage(next);
  };

  const stateName = snapshot ? speech.name("state", snapshot.state.name) : "";
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = stateName ? `${stateName} · cellwright` : "cellwright";
  }, [language, stateName]);

  return (
    <SpeechContext.Provider value={speech}>
      <a class="skip" href="#commands">
        {speech.say("skip")}
      </a>
      <Header live={live} me={me} logout={logout} language={language} choose={choose} />
      <AlarmBar alarms={snapshot?.alarms ?? []} known={snapshot !== null} />
      {stale && (
        <p class="stale-bar" data-testid="stale">
          <strong>{speech.say("fresh.stale", { age: speech.age(live.ageS) })}</strong>
          {/* Read out once; the age beside it changes every second. */}
          <span role="alert">{speech.say("fresh.stale.detail")}</span>
        </p>
      )}
      <main class={stale ? "stale" : ""} data-testid="page" data-stale={stale} data-connected={live.connected}>
        <section class="panel control" id="commands" tabIndex={-1}>
          <State state={snapshot?.state ?? null} />
          <Commands allowed={snapshot?.allowed ?? []} me={me} stale={stale || snapshot === null} refresh={refresh} />
        </section>
        <CameraPicture belt={snapshot?.belt ?? null} stale={stale} />
        <Counts counts={snapshot?.counts ?? null} />
        <Trend trend={snapshot?.trend ?? null} rates={snapshot?.rates ?? null} />
        <Parts parts={snapshot?.parts ?? []} />
        <Devices devices={snapshot?.devices ?? []} />
        <Setup snapshot={snapshot} />
      </main>
    </SpeechContext.Provider>
  );
}
