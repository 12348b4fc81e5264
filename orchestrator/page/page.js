// Draws the curves over time from the report in this page, and marks the page as drawn when all of them are.
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const root = document.documentElement;
  const plots = [];
  const HEIGHT = 220;
  const PRINTED = [325, 170];

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const short = (digits) => (value) => value.toLocaleString("en", { maximumSignificantDigits: digits });
  const count = (value, digits = 3) => {
    if (value == null) return "–";
    for (const [step, prefix] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]])
      if (Math.abs(value) >= step) return short(digits)(value / step) + prefix;
    return short(digits)(value);
  };
  const duration = (value, digits = 3) => {
    if (value == null) return "–";
    for (const [limit, factor, unit] of [[1, 1e3, "ns"], [1e3, 1, "us"], [1e6, 1e-3, "ms"]])
      if (value < limit) return short(digits)(value * factor) + " " + unit;
    return short(digits)(value / 1e6) + " s";
  };
  const seconds = (value) => (value == null ? "–" : short(6)(value) + " s");

  const rows = report.series;
  const pick = (of) => rows.map((row) => of(row) ?? null);
  // What has the largest sum comes first; more lines than colours help nobody.
  const largest = (part, of) => {
    const sums = new Map();
    for (const row of rows)
      for (const [name, values] of Object.entries(row[part])) sums.set(name, (sums.get(name) ?? 0) + of(values));
    return [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1]).slice(0, 6).map(([name]) => name);
  };
  const several = (part, of) => largest(part, of).map((name) => [name, pick((row) => row[part][name] && of(row[part][name]))]);

  const charts = {
    throughput: () => ({ lines: [["completed", pick((row) => row.throughput_pps)]], write: (v, d) => count(v, d) + "/s", area: true }),
    latency: () => ({
      lines: ["p50_us", "p99_us", "max_us", "planned_p50_us", "planned_p99_us", "planned_max_us"]
        .map((key) => [key.slice(0, -3).replace("_", " "), pick((row) => row[key])])
        .filter(([, values]) => values.some((value) => value != null)),
      write: duration,
      log: true,
    }),
    in_flight: () => ({ lines: [["in flight", pick((row) => row.in_flight)]], write: count, area: true }),
    edges: () => ({ lines: several("edges", (edge) => edge.down_pps + edge.up_pps), write: (v, d) => count(v, d) + "/s" }),
    occupancy: () => ({ lines: several("edges", (edge) => edge.occupancy), write: count }),
    held: () => ({ lines: several("nodes", (node) => node.held), write: count }),
  };

  // Events of the run: a band while one lasted, a line where it began, and its number on top where there is room.
  const MOST_MARKED = 200;
  const NUMBER_WIDTH = 18;
  const HUES = { fault: "orange", operation: "violet", violation: "bad", death: "bad" };
  const events = report.events.slice(0, MOST_MARKED);
  const end = report.run.duration_s;
  const started = (event) => (event.from_us ?? 0) / 1e6;
  const ended = (event) => (event.to_us == null ? end : event.to_us / 1e6);
  const clipped = (plot, paint) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    paint(ctx, bbox, (time) => plot.valToPos(time, "x", true));
    ctx.restore();
  };
  const bands = (plot) => clipped(plot, (ctx, bbox, at) => {
    for (const event of events) {
      const hue = colour(HUES[event.kind]);
      const left = at(started(event));
      if (event.kind === "fault" || event.kind === "operation") {
        ctx.fillStyle = hue + "22";
        ctx.fillRect(left, bbox.top, at(ended(event)) - left, bbox.height);
      }
      ctx.fillStyle = hue;
      ctx.fillRect(left - devicePixelRatio / 2, bbox.top, devicePixelRatio, bbox.height);
    }
    ctx.fillStyle = colour("bad");
    const height = 6 * devicePixelRatio;
    for (const { at_us } of report.violations)
      if (at_us != null) ctx.fillRect(at(at_us / 1e6), bbox.top + bbox.height - height, devicePixelRatio, height);
  });
  const numbers = (plot) => clipped(plot, (ctx, bbox, at) => {
    ctx.font = `650 ${10 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    let free = bbox.left;
    events.forEach((event, index) => {
      const left = Math.max(at(started(event)), bbox.left);
      if (left < free || at(ended(event)) < bbox.left) return;
      ctx.fillStyle = colour(HUES[event.kind]);
      ctx.fillText(index + 1, left + 3 * devicePixelRatio, bbox.top + devicePixelRatio);
      free = left + NUMBER_WIDTH * devicePixelRatio;
    });
  });

  // Phases of the senders: a dashed line where one began, and its name at the bottom where there is room.
  const phases = report.phases.filter((phase) => phase.from_us != null).slice(0, MOST_MARKED);
  const borders = (plot) => clipped(plot, (ctx, bbox, at) => {
    const unit = devicePixelRatio;
    ctx.fillStyle = ctx.strokeStyle = colour("soft");
    ctx.lineWidth = unit;
    ctx.setLineDash([4 * unit, 3 * unit]);
    ctx.font = `${10 * unit}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    let free = bbox.left;
    for (const { phase, from_us, to_us } of phases) {
      const border = Math.round(at(from_us / 1e6)) + (unit % 2) / 2; // on whole pixels, where a line is sharp
      ctx.beginPath();
      ctx.moveTo(border, bbox.top);
      ctx.lineTo(border, bbox.top + bbox.height);
      ctx.stroke();
      const left = Math.max(border, bbox.left);
      if (left < free || at(to_us / 1e6) < bbox.left) continue;
      ctx.fillText(phase, left + 3 * unit, bbox.top + bbox.height - 7 * unit);
      free = left + ctx.measureText(phase).width + 8 * unit;
    }
  });

  const axis = (write, size) => ({
    stroke: colour("soft"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1, size: 4 },
    font: "11.5px system-ui, sans-serif",
    size,
    values: (plot, marks) => marks.map((mark) => (mark == null ? "" : write(mark))),
  });

  // Marks of a logarithmic scale: powers of ten, and where these are few their doubles and halves too.
  const powers = (plot, index, low, high) => {
    const first = Math.round(Math.log10(low)), last = Math.round(Math.log10(high));
    const steps = last - first <= 2 ? [1, 2, 5] : [1];
    const marks = [];
    for (let power = first; power <= last; power++) marks.push(...steps.map((step) => step * 10 ** power));
    return marks.filter((mark) => mark <= high * 1.0001);
  };

  const draw = (place, width, height) => {
    const { lines, write, area, log } = charts[place.dataset.chart]();
    const times = pick((row) => row.t_s);
    const strokes = ["blue", "orange", "pink", "teal", "violet", "olive"].map(colour);
    const few = times.length < 40;
    const first = events.length || phases.length ? 0 : times[0]; // what happened in the first second has its place too
    const shown = log ? lines.map(([name, values]) => [name, values.map((value) => (value > 0 ? value : null))]) : lines;
    const series = shown.map(([label], index) => ({
      label,
      stroke: strokes[index],
      width: 1.8,
      fill: area ? strokes[index] + "22" : undefined,
      points: { show: few, size: 5 },
      value: (plot, value) => (value == null ? "–" : write(value, 3)),
    }));
    place.replaceChildren();
    return new uPlot(
      {
        width,
        height,
        padding: [10, 12, 0, 0],
        cursor: { sync: { key: "time" }, points: { size: 7 } },
        hooks: { drawClear: [bands], draw: [borders, numbers] },
        scales: { x: { time: false, range: (plot, low, high) => [low === times[0] ? first : low, high] }, y: log ? { distr: 3, range: (plot, low, high) => uPlot.rangeLog(low ?? 1, high ?? 10, 10, true) } : { range: (plot, low, high) => [0, (high || 1) * 1.08] } },
        series: [{ label: "at", value: (plot, value) => seconds(value) }, ...series],
        axes: [axis((mark) => seconds(mark), 32), { ...axis((mark) => write(mark, 3), 66), ...(log ? { splits: powers } : {}) }],
      },
      [times, ...shown.map(([, values]) => values)],
      place,
    );
  };

  const places = [...document.querySelectorAll("[data-chart]")];
  const drawAll = (width, height = HEIGHT) => {
    plots.splice(0).forEach((plot) => plot.destroy());
    for (const place of places) plots.push(draw(place, width ?? place.clientWidth, height));
  };
  drawAll();
  root.dataset.drawn = String(plots.length);

  addEventListener("resize", () => plots.forEach((plot, index) => plot.setSize({ width: places[index].clientWidth, height: HEIGHT })));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => { part.dataset.was = part.open; part.open = true; });
    root.dataset.paper = ""; // light, whatever the screen is
    drawAll(...PRINTED);
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("details").forEach((part) => { part.open = part.dataset.was === "true"; });
    delete root.dataset.paper;
    drawAll();
  });
  document.getElementById("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(report, null, 2) + "\n"], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
