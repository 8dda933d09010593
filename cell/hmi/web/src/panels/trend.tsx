import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Snapshot } from "../snapshot";
import { type Speech, useSpeech } from "../words";

interface Props {
  trend: Snapshot["trend"] | null;
  rates: Snapshot["rates"] | null;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function makePlot(frame: HTMLElement, speech: Speech): uPlot {
  const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--soft"),
    font: "12px 'Cell Sans', system-ui, sans-serif",
    grid: { stroke: colour("--rule"), width: 1 },
    ticks: { show: false },
  };
  const minutes = (seconds: number) => {
    if (seconds > -0.5) return speech.say("rate.now");
    return seconds > -59.5 ? `−${speech.say("age.s", { n: Math.round(-seconds) })}` : `−${speech.say("age.min", { n: Math.round(-seconds / 6) / 10 })}`;
  };
  return new uPlot(
    {
      width: frame.clientWidth,
      height: frame.clientHeight,
      scales: { x: { time: false }, y: { range: (_, __, high) => [0, Math.max(10, Math.ceil((high * 1.1) / 10) * 10)] } },
      axes: [
        { ...axis, size: 30, gap: 8, space: 80, incrs: [5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200], values: (_, at) => at.map(minutes) },
        { ...axis, size: 34, gap: 8, space: 32 },
      ],
      series: [
        {},
        { label: "parts", stroke: colour("--line-2"), width: 1.5, dash: [5, 4], points: { show: false } },
        { label: "picks", stroke: colour("--line-1"), width: 2.25, points: { show: false } },
      ],
      legend: { show: false },
      cursor: { show: false },
    },
    [[], [], []],
    frame,
  );
}

export function Trend({ trend, rates }: Props) {
  const speech = useSpeech();
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef(trend);
  newest.current = trend;

  const draw = () => {
    const data = newest.current;
    const last = data?.t_s.at(-1);
    if (!data || last === undefined) return;
    plot.current?.setData([data.t_s.map((t) => t - last), data.parts_per_min, data.picks_per_min]);
  };

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = makePlot(element, speech);
      draw();
    };
    make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: element.clientHeight }));
    watch.observe(element);
    dark.addEventListener("change", make);
    // The axes are drawn on a canvas, which does not wait for the font.
    void document.fonts.ready.then(() => plot.current?.redraw(false, true));
    return () => {
      watch.disconnect();
      dark.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [speech]);

  useEffect(draw, [trend]);

  const empty = !trend || trend.t_s.length < 2;
  return (
    <section class="panel trend" aria-labelledby="rates-title">
      <h2 id="rates-title">
        {speech.say("rates")}
        <span class="aside">{speech.say("rate.unit")}</span>
      </h2>
      <dl class="rates">
        <div class="picks">
          <dt>{speech.say("rate.picks")}</dt>
          <dd data-testid="rate-picks">{rates ? speech.decimal(rates.picks_per_min, 1) : "–"}</dd>
        </div>
        <div class="parts-rate">
          <dt>{speech.say("rate.parts")}</dt>
          <dd data-testid="rate-parts">{rates ? speech.decimal(rates.parts_per_min, 1) : "–"}</dd>
        </div>
      </dl>
      <div class="plot" data-testid="trend">
        <div class="canvas" ref={frame} role="img" aria-label={speech.say("trend")} />
        {empty && <p class="none">{speech.say("trend.empty")}</p>}
      </div>
    </section>
  );
}
