import { Icon } from "../icons";
import type { Device } from "../snapshot";
import { useSpeech } from "../words";

export function Devices({ devices }: { devices: Device[] }) {
  const speech = useSpeech();
  return (
    <section class="panel devices" aria-labelledby="devices-title">
      <h2 id="devices-title">{speech.say("devices")}</h2>
      {devices.length === 0 ? (
        <p class="none">{speech.say("devices.none")}</p>
      ) : (
        <ul>
          {devices.map((device) => (
            <li key={device.name} class={device.ok ? "" : "fault"} data-testid={`device-${device.name}`} data-ok={device.ok}>
              <span class="name">{speech.name("device", device.name)}</span>
              <span class="detail" title={device.detail}>
                {speech.phrase(device.detail)}
              </span>
              <span class="verdict">
                {!device.ok && <Icon name="warn" />}
                {speech.say(device.ok ? "device.ok" : "device.fault")}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
