import { usePicture } from "../connection";
import type { Snapshot } from "../snapshot";
import { useSpeech } from "../words";

export function CameraPicture({ belt, stale }: { belt: Snapshot["belt"] | null; stale: boolean }) {
  const speech = useSpeech();
  const { url, shown } = usePicture();
  const moves = belt !== null && Math.abs(belt.speed_mps) >= 0.0005;
  return (
    <section class="panel picture" aria-labelledby="picture-title">
      <h2 id="picture-title">
        {speech.say("picture")}
        {belt && (
          <span class="aside" data-testid="belt" data-speed={belt.speed_mps}>
            {speech.say("belt")} {moves ? `${speech.decimal(belt.speed_mps, 2)} m/s` : speech.say("belt.still")}
          </span>
        )}
      </h2>
      <div class="frame">
        {url ? (
          <img
            src={url}
            alt={speech.say("picture.alt")}
            width={640}
            height={480}
            data-testid="picture"
            onLoad={shown}
            onError={shown}
          />
        ) : (
          <p class="none">{speech.say("picture.empty")}</p>
        )}
        {url && stale && <p class="old">{speech.say("picture.old")}</p>}
      </div>
    </section>
  );
}
