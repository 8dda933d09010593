// What the server sends; the counterpart of cell/hmi/view.py.
export interface Snapshot {
  stamp_s: number;
  age_s: number;
  state: { name: string; code: number; mode: string; reason: string; since_s: number };
  allowed: string[];
  counts: Record<Count, number>;
  rates: { picks_per_min: number; parts_per_min: number };
  trend: { t_s: number[]; picks_per_min: number[]; parts_per_min: number[] };
  belt: { speed_mps: number; travel_m: number };
  devices: Device[];
  alarms: Alarm[];
  parts: Part[];
  model: { id: string; hash: string; overkill: number; threshold: number; licence: string };
  policy: string;
  latency_ms: { frame_to_decision: { p50: number; p99: number } };
  versions: Record<string, string>;
  simulated: boolean;
}

export type Count = "entered" | "in_flight" | "sorted" | "passed" | "missed" | "dropped" | "rejected" | "unknown";

export interface Device {
  name: string;
  ok: boolean;
  detail: string;
}

export interface Alarm {
  key: string;
  priority: number;
  active: boolean;
  acknowledged: boolean;
  message: string;
  since_s: number;
}

export interface Part {
  part_id: number;
  verdict: string;
  defects: string[];
  score: number;
  fate: string;
  bin: string;
}

export interface Me {
  logged_in: boolean;
  role: string;
  may_command: boolean;
}
