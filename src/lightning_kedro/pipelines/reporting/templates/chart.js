"use strict";
// The chart of one storm: flashes by minute, its lightning jumps, gaps in coverage. Plain SVG.
const stormChart = (data, colourOf) => {
  const figure = document.getElementById("chart"), svg = document.getElementById("series");
  const readout = document.getElementById("readout"), name = document.getElementById("charted");
  const minute = 60000, steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];
  const left = 44, right = 12, top = 30, bottom = 26, height = 210;
  let shown = null, cursor = -1, span = null, width = 0;

  const make = (kind, attributes, text = "") => {
    const element = document.createElementNS(svg.namespaceURI, kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    svg.append(element);
    return element;
  };
  const clock = (ms) => new Date(data.start + ms).toISOString().slice(11, 16);
  const day = (ms) => new Date(data.start + ms).toUTCString().slice(5, 11);
  const ends = () => { // the window of short ones, else the storm's own life
    const whole = data.edges[data.edges.length - 1];
    if (whole <= 6 * 60 * minute) return [0, whole];
    return [shown.first, shown.first + Math.max(10, shown.minutes.length) * minute];
  };
  const roundUp = (most) => [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((one) => one * 10 ** Math.floor(Math.log10(most))).find((one) => one >= most);

  const draw = () => {
    svg.replaceChildren();
    width = svg.clientWidth;
    if (!shown || width < 80) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const [from, to] = ends(), most = roundUp(Math.max(2, ...shown.minutes));
    const x = (ms) => left + (ms - from) / (to - from) * (width - left - right);
    const y = (count) => height - bottom - count / most * (height - top - bottom);
    const defs = make("defs", {});
    const hatch = document.createElementNS(svg.namespaceURI, "pattern");
    for (const [key, value] of Object.entries({ id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" })) hatch.setAttribute(key, value);
    const stroke = document.createElementNS(svg.namespaceURI, "rect");
    for (const [key, value] of Object.entries({ width: 2, height: 6, fill: "var(--line)" })) stroke.setAttribute(key, value);
    hatch.append(stroke); defs.append(hatch);
    for (const count of [0, most / 2, most].filter(Number.isInteger)) {
      make("line", { x1: left, x2: width - right, y1: y(count), y2: y(count), class: "grid" });
      make("text", { x: left - 6, y: y(count) + 4, "text-anchor": "end" }, String(count));
    }
    const step = steps.find((one) => (to - from) / (one * minute) <= (width - left - right) / 64) * minute || to - from;
    let named = -1; // the date stands below the first clock of each day
    for (let at = Math.ceil((data.start + from) / step) * step - data.start; at <= to; at += step) {
      const date = Math.floor((data.start + at) / 86400000), first = date !== named;
      named = date;
      const anchor = x(at) > width - 30 ? "end" : x(at) < left + 16 ? "start" : "middle";
      make("text", { x: x(at), y: height - bottom + 17, "text-anchor": anchor }, first && step >= 30 * minute && to - from > 1440 * minute ? day(at) : clock(at));
    }
    for (const [start, end] of data.gaps) if (end > from && start < to) {
      const a = x(Math.max(start, from)), b = x(Math.min(end, to));
      make("rect", { x: a, width: Math.max(1, b - a), y: top, height: height - top - bottom, fill: "url(#hatch)" });
    }
    if (span && span[1] > from && span[0] < to) {
      const a = x(Math.max(span[0], from)), b = x(Math.min(span[1], to));
      make("rect", { x: a, width: Math.max(1, b - a), y: top, height: height - top - bottom, class: "span" });
    }
    let path = `M${x(shown.first)} ${y(0)}`;
    shown.minutes.forEach((count, i) => {
      const a = x(shown.first + i * minute), b = x(shown.first + (i + 1) * minute);
      path += `V${y(count).toFixed(1)}H${b.toFixed(1)}`;
      if (!i) path = path.replace(/^M\S+/, `M${a.toFixed(1)}`);
    });
    make("path", { d: `${path}V${y(0)}Z`, fill: colourOf(shown), class: "bars" });
    for (const [time, algorithm] of shown.jumps) {
      const first = algorithm === "2-sigma", at = x(time), tip = first ? top - 16 : top - 4;
      make("line", { x1: at, x2: at, y1: tip + 9, y2: y(0), class: first ? "jump" : "jump other" });
      make("path", { d: `M${at - 6} ${tip}h12l-6 10z`, class: first ? "mark" : "mark other" });
    }
    if (cursor >= 0) {
      const at = x(shown.first + (cursor + 0.5) * minute);
      make("line", { x1: at, x2: at, y1: top, y2: y(0), class: "cursor" });
    }
    describe();
  };

  const describe = () => {
    const total = shown.jumps.filter(([, algorithm]) => algorithm === "2-sigma").length;
    name.textContent = `Storm ${shown.number}`;
    const peak = Math.max(...shown.minutes), told = [`${shown.count.toLocaleString("en")} flash${shown.count === 1 ? "" : "es"}`, `at most ${peak} a minute`];
    if (shown.motion) told.push(shown.motion);
    told.push(`${total || "no"} lightning jump${total === 1 ? "" : "s"}`);
    svg.setAttribute("aria-label", `Flashes per minute of storm ${shown.number}: ${told.join(", ")}`);
    if (cursor < 0) { readout.textContent = told.join(" \u00B7 "); return; }
    const at = shown.first + cursor * minute;
    const jumps = shown.jumps.filter(([time]) => Math.abs(time - at) < 2 * minute).map(([, algorithm, rate, change, sigma]) =>
      `${algorithm} jump: ${rate} a minute, DFRDT ${change}, \u03C3 ${sigma}`);
    readout.textContent = [`${day(at)} ${clock(at)} UTC`, `${shown.minutes[cursor]} flash${shown.minutes[cursor] === 1 ? "" : "es"}`, ...jumps].join(" \u00B7 ");
  };
  const point = (next) => { cursor = Math.max(0, Math.min(shown.minutes.length - 1, next)); draw(); };
  const pointAt = (event) => {
    const box = svg.getBoundingClientRect(), [from, to] = ends();
    const at = from + (event.clientX - box.left - left) / (width - left - right) * (to - from);
    point(Math.floor((at - shown.first) / minute));
  };
  svg.addEventListener("pointermove", (event) => { if (shown && event.pointerType === "mouse") pointAt(event); });
  svg.addEventListener("pointerdown", (event) => { if (shown) pointAt(event); });
  svg.addEventListener("pointerleave", (event) => { if (shown && event.pointerType === "mouse") { cursor = -1; draw(); } });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { point(cursor < 0 ? 0 : cursor + by); event.preventDefault(); }
    if (event.key === "Escape") { cursor = -1; draw(); }
  });
  new ResizeObserver(() => { if (svg.clientWidth !== width) draw(); }).observe(svg);

  return {
    show(storm) { shown = storm; cursor = -1; figure.hidden = false; figure.dataset.storm = String(storm.number); draw(); },
    mark(next) { if (String(next) !== String(span)) { span = next; draw(); } },
    get number() { return shown ? shown.number : -1; },
  };
};
