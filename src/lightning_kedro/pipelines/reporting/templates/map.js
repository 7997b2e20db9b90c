"use strict";
// The interactive map: three canvases (basemap, flashes, marks) in plate carree, no library.
// Flashes are written straight into pixels: 200,000 of them take some milliseconds.
//
// root: the document or shadow root that has the elements of map.html; data: what collect_map_data
// gives; rows: what has the tables of clusters and storms; chartOf: draws the chart of one storm, on
// pages that have one. A change of what is seen is told to the stage (event "moved"), which follows
// what it is told (event "move").
const drawMap = (root, data, rows = root, chartOf = null) => {
  const $ = (id) => root.getElementById(id);
  const decode = (text, Type) => {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return new Type(bytes.buffer);
  };
  const scaled = ([low, step, text]) => Float32Array.from(decode(text, Uint16Array), (v) => low + v * step);
  const lon = scaled(data.flashes.lon), lat = scaled(data.flashes.lat);
  const time = decode(data.flashes.time, Uint32Array), cluster = decode(data.flashes.cluster, Uint16Array);
  const noStorm = 65535, stormy = data.storms.length > 0; // without storms there are clusters alone
  const storm = stormy ? decode(data.flashes.storm, Uint16Array) : new Uint16Array(time.length).fill(noStorm);
  const stormColours = decode(data.stormColours, Uint8Array);
  const edges = data.edges, nFrames = data.counts.length, trail = 3;
  const firstAt = edges.map((edge) => { // flashes are in order of time: where does a frame begin?
    let low = 0, high = time.length;
    while (low < high) { const mid = (low + high) >> 1; if (time[mid] < edge) low = mid + 1; else high = mid; }
    return low;
  });
  firstAt[nFrames] = time.length;

  const basemap = basemapOf(data.basemap, decode);

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // little-endian RGBA
  const mix = (a, b, share) => a.map((v, i) => Math.round(v * share + b[i] * (1 - share)));
  const dark = [16, 21, 28], fades = [1, 0.55, 0.35, 0.2];
  const fade = (hex) => fades.map((f) => pack(mix(rgb(hex), dark, f)));
  const clusterColours = data.clusters.map((c) => fade(data.colours[c.colour]));
  const hues = [...new Set(stormColours)].map((one) => [one, fade(data.colours[one])]);
  const stormFades = Object.fromEntries(hues), lone = fade("#5d6b7a");
  const heat = ["#ffffff", "#fff2a8", "#ffc94d", "#ff8a1f", "#e23d12", "#8f1010"].map(rgb);
  const ageColours = Uint32Array.from({ length: 64 }, (_, i) => {
    const at = (i / 63) * (heat.length - 1), low = Math.min(Math.floor(at), heat.length - 2);
    return pack(mix(heat[low + 1], heat[low], at - low));
  });

  const stage = $("stage"), base = $("base"), points = $("points"), marks = $("marks"), rate = $("rate");
  let width = 0, height = 0, density = 1, pixels = null, image = null;
  let view = null, frame = -1, playing = 0, waiting = false, chosen = -1;
  let kind = stormy && data.kind !== "clusters" ? "storms" : "clusters";
  if (stormy && data.clusters.length) $("kinds").hidden = false; else $("kinds").remove();
  const stretch = () => Math.max(0.3, Math.cos(((data.view[2] + data.view[3]) / 2) * Math.PI / 180));
  const middle = (data.view[0] + data.view[1]) / 2;
  const home = () => {
    const [west, east, south, north] = data.view;
    const scale = Math.min(width / ((east - west) * stretch()), height / (north - south));
    return { x: middle, y: (south + north) / 2, scale }; // scale: pixels per degree of latitude
  };
  const unwind = (x) => middle + (((x - middle + 540) % 360) + 360) % 360 - 180; // within half a turn of the middle
  const toX = (x) => width / 2 + (x - view.x) * view.scale * stretch();
  const toY = (y) => height / 2 - (y - view.y) * view.scale;

  const resize = () => {
    density = Math.min(window.devicePixelRatio || 1, 2);
    const fresh = view === null;
    width = stage.clientWidth; height = stage.clientHeight;
    if (width < 1 || height < 1) return; // hidden: drawn when it is shown
    for (const canvas of [base, points, marks]) { canvas.width = width * density; canvas.height = height * density; }
    rate.width = Math.max(1, rate.clientWidth * density); rate.height = 44 * density;
    image = points.getContext("2d").createImageData(points.width, points.height);
    pixels = new Uint32Array(image.data.buffer);
    if (fresh) view = home();
    refresh();
  };

  const drawBase = () => {
    const context = base.getContext("2d"), kx = view.scale * stretch(), ky = view.scale;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#0b0e13"; context.fillRect(0, 0, base.width, base.height);
    basemap.draw(context, { x: view.x, y: view.y, kx, ky, width, height, density });
  };

  const range = () => frame < 0 ? [0, time.length] : [firstAt[frame], firstAt[frame + 1]];

  const drawPoints = () => {
    pixels.fill(0);
    const kx = view.scale * stretch() * density, ky = view.scale * density;
    const left = (width / 2) * density - view.x * kx, top = (height / 2) * density + view.y * ky;
    const w = points.width, h = points.height, byAge = $("colour").value === "age";
    const size = Math.max(Math.ceil(1.5 * density), Math.min(7, Math.round(density * (1 + view.scale / 22)))) + (frame < 0 ? 0 : 1);
    const half = size >> 1;
    const from = frame < 0 ? 0 : firstAt[Math.max(0, frame - trail)], to = range()[1];
    const begins = edges[Math.max(0, frame - trail)], ends = frame < 0 ? edges[nFrames] : edges[frame + 1];
    for (let i = from; i < to; i += 1) {
      const x = Math.floor(left + lon[i] * kx) - half, y = Math.floor(top - lat[i] * ky) - half;
      if (x < 0 || y < 0 || x + size > w || y + size > h) continue;
      let colour;
      if (byAge) {
        const from0 = frame < 0 ? 0 : begins;
        colour = ageColours[Math.min(63, Math.floor(63 * (ends - time[i]) / Math.max(1, ends - from0)))];
      } else {
        let age = 0;
        if (frame >= 0) while (i < firstAt[frame - age]) age += 1;
        if (kind === "clusters") colour = clusterColours[cluster[i]][age];
        else colour = (storm[i] === noStorm ? lone : stormFades[stormColours[storm[i]]])[age];
      }
      for (let row = 0, at = y * w + x; row < size; row += 1, at += w) pixels.fill(colour, at, at + size);
    }
    points.getContext("2d").putImageData(image, 0, 0);
  };

  // How many flashes lie in each cell of a coarse grid of the screen, summed from the upper left.
  const cell = 8;
  const sumFlashes = () => {
    const w = Math.ceil(width / cell) + 1, h = Math.ceil(height / cell) + 1, sums = new Float32Array((w + 1) * (h + 1));
    const [from, to] = range(), kx = view.scale * stretch();
    for (let i = from; i < to; i += 1) {
      const x = Math.floor((width / 2 + (lon[i] - view.x) * kx) / cell), y = Math.floor((height / 2 - (lat[i] - view.y) * view.scale) / cell);
      if (x >= 0 && y >= 0 && x < w && y < h) sums[(y + 1) * (w + 1) + x + 1] = Math.min(4, sums[(y + 1) * (w + 1) + x + 1] + 1);
    }
    for (let y = 1; y <= h; y += 1) for (let x = 1; x <= w; x += 1) {
      const at = y * (w + 1) + x;
      sums[at] += sums[at - 1] + sums[at - w - 1] - sums[at - w - 2];
    }
    return (left, top, right, bottom) => {
      const clampX = (v) => Math.max(0, Math.min(w, v)), clampY = (v) => Math.max(0, Math.min(h, v));
      const x0 = clampX(Math.floor(left / cell)), x1 = clampX(Math.ceil(right / cell)), y0 = clampY(Math.floor(top / cell)), y1 = clampY(Math.ceil(bottom / cell));
      return sums[y1 * (w + 1) + x1] - sums[y0 * (w + 1) + x1] - sums[y1 * (w + 1) + x0] + sums[y0 * (w + 1) + x0];
    };
  };

  const layer = stormLayer(data, { toX, toY, unwind, range, lon, lat, storm, end: (at) => edges[at < 0 ? nFrames : at + 1] });
  const chart = chartOf?.(data, (one) => data.colours[one.colour]) ?? null;
  const listed = () => kind === "storms" ? layer.list : data.clusters;
  const noun = () => kind === "storms" ? "storm" : "cluster";

  // A label beside each center on the screen, where it hides least: no label, no center, few flashes.
  // Of storms the largest on the screen have labels, at the ends of their tracks.
  let labels = [];
  const mostLabels = () => kind === "storms" ? Math.max(8, Math.round(width / 45)) : data.clusters.length;
  const placeLabels = () => {
    const hidden = sumFlashes(), placed = [];
    const places = kind === "storms" ? layer.present(frame) : data.clusters.map((one) => ({ one, lon: one.lon, lat: one.lat }));
    const found = places.map(({ one, lon: east, lat: north }) => ({ one, x: toX(unwind(east)), y: toY(north) }))
      .filter(({ x, y }) => x > 0 && y > 0 && x < width && y < height);
    const seen = found.filter(({ one }, i) => i < mostLabels() || one.number === chosen);
    for (const { one, x, y } of seen) {
      const halfWidth = 6 + 4 * String(one.number).length, halfHeight = 10;
      let best = null;
      for (const radius of [16, 26, 40, 60, 90, 130]) for (let turn = 0; turn < 16; turn += 1) {
        const angle = (turn * Math.PI) / 8;
        const at = { one, x, y, halfWidth, halfHeight,
          middleX: Math.max(halfWidth, Math.min(width - halfWidth, x + Math.cos(angle) * (radius + halfWidth))),
          middleY: Math.max(halfHeight, Math.min(height - halfHeight, y + Math.sin(angle) * (radius + halfHeight))) };
        const apart = (other, w, h) => Math.abs(at.middleX - other.x) > halfWidth + w || Math.abs(at.middleY - other.y) > halfHeight + h;
        at.cost = hidden(at.middleX - halfWidth, at.middleY - halfHeight, at.middleX + halfWidth, at.middleY + halfHeight) + radius * 0.15;
        for (const other of seen) if (!apart(other, 6, 6)) at.cost += 60;
        for (const other of placed) if (!apart({ x: other.middleX, y: other.middleY }, other.halfWidth + 2, other.halfHeight + 2)) at.cost += 1e4;
        if (!best || at.cost < best.cost) best = at;
      }
      placed.push(best);
    }
    return placed;
  };

  const drawMarks = () => {
    const context = marks.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    context.textAlign = "center"; context.textBaseline = "middle"; context.font = "bold 12px system-ui, sans-serif";
    drawOutlines(context);
    labels = placeLabels();
    if (kind === "storms") layer.draw(context, frame, chosen, new Set(labels.map(({ one }) => one.number)), view.scale);
    for (const { one, x, y, middleX, middleY } of labels) {
      if (kind === "clusters") for (const [colour, weight] of [["#0b0e13", 5], [data.colours[one.colour], 1.5]]) {
        context.strokeStyle = colour; context.lineWidth = weight;
        context.beginPath(); context.moveTo(x - 6, y); context.lineTo(x + 6, y); context.moveTo(x, y - 6); context.lineTo(x, y + 6); context.stroke();
      }
      context.lineWidth = 1.2; context.strokeStyle = "#eef2f6";
      context.beginPath(); context.moveTo(x, y); context.lineTo(middleX, middleY); context.stroke();
    }
    for (const { one, middleX, middleY, halfWidth, halfHeight } of labels) { // above all lines
      context.beginPath(); context.roundRect(middleX - halfWidth, middleY - halfHeight, 2 * halfWidth, 2 * halfHeight, 5);
      context.fillStyle = "rgba(11,14,19,.9)"; context.fill();
      context.lineWidth = one.number === chosen ? 4 : 2; context.strokeStyle = data.colours[one.colour]; context.stroke();
      context.fillStyle = "#eef2f6"; context.fillText(one.number, middleX, middleY + 0.5);
      if (kind === "storms" && layer.hasJumped(one, frame)) layer.drawMark(context, middleX + halfWidth - 1, middleY - halfHeight + 1);
    }
  };

  // What is seen and what was asked for, as dashed lines with their names.
  const drawOutlines = (context) => {
    const trace = (ring, colour, name) => {
      for (const turn of [-360, 0, 360]) {
        context.beginPath();
        ring.forEach(([x, y], i) => { if (i) context.lineTo(toX(x + turn), toY(y)); else context.moveTo(toX(x + turn), toY(y)); });
        context.closePath(); context.setLineDash([6, 4]); context.lineWidth = 1.2; context.strokeStyle = colour; context.stroke(); context.setLineDash([]);
        const [x, y] = ring[ring.length - 1];
        context.save(); context.font = "12px system-ui, sans-serif"; context.textAlign = "left"; context.fillStyle = colour;
        context.fillText(name, toX(x + turn) + 6, toY(y) - 9); context.restore();
      }
    };
    for (const ring of data.seen) trace(ring, "#7d8a97", "field of view");
    if (data.region) trace(data.region, "#ffd24d", "region asked for");
  };

  const drawRate = () => {
    const context = rate.getContext("2d"), w = rate.width / nFrames, most = Math.max(1, ...data.counts);
    context.clearRect(0, 0, rate.width, rate.height);
    data.counts.forEach((count, i) => {
      if (data.covered[i] < 0.995) { // a gap is not zero: the part of the step without data is hatched
        context.save(); context.beginPath(); context.rect(i * w, 0, Math.max(1, w * (1 - data.covered[i])), rate.height); context.clip();
        context.fillStyle = "#1f2833"; context.fillRect(i * w, 0, w, rate.height);
        context.strokeStyle = "#4f5c69"; context.lineWidth = density;
        for (let x = i * w - rate.height; x < (i + 1) * w; x += 6 * density) { context.beginPath(); context.moveTo(x, rate.height); context.lineTo(x + rate.height, 0); context.stroke(); }
        context.restore();
      }
      if (!count && data.covered[i] < 0.005) return;
      const bar = Math.max(density, (rate.height * count) / most);
      context.fillStyle = i === frame ? "#ffd24d" : frame < 0 || i < frame ? "#5d6b7a" : "#323d49";
      context.fillRect(i * w, rate.height - bar, Math.max(1, w - density), bar);
    });
  };

  const describe = () => {
    const count = frame < 0 ? data.total : data.counts[frame], drawn = range()[1] - range()[0];
    const thinned = drawn < count ? ` (${drawn.toLocaleString("en")} drawn)` : "";
    $("shown").textContent = data.total ? `${count.toLocaleString("en")} flash${count === 1 ? "" : "es"}${thinned}` : "No flashes in this window";
    const share = frame < 0 ? 1 : data.covered[frame];
    const lost = share < 0.005 ? ", no data" : share < 0.9 ? `, only ${Math.round(100 * share)} % covered` : "";
    $("clock").textContent = frame < 0 ? "whole window" : data.frames[frame] + lost;
    $("legend").hidden = $("colour").value !== "age";
    $("key").hidden = kind !== "storms";
    for (const button of root.querySelectorAll("button[data-kind]")) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    $("colour").firstElementChild.textContent = `colour: ${noun()}`;
    stage.dataset.shows = kind;
    chart?.mark(frame < 0 ? null : [edges[frame], edges[frame + 1]]);
    $("all").setAttribute("aria-pressed", String(frame < 0));
    $("hour").setAttribute("aria-valuetext", $("clock").textContent);
    stage.dataset.labels = JSON.stringify(Object.fromEntries(labels.map((one) => [one.one.number, [one.middleX, one.middleY]])));
    stage.dataset.frame = String(frame); stage.dataset.drawn = String(drawn);
  };

  const drawScale = () => { // a round length in km at the middle of the view
    const perKm = view.scale / 111.195 * (stretch() / Math.max(0.05, Math.cos(view.y * Math.PI / 180)));
    const most = Math.min(160, width / 3) / perKm, power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((one) => one * power).find((one) => one <= most) || power;
    $("scale").style.width = `${length * perKm}px`; $("scale").firstElementChild.textContent = `${length.toLocaleString("en")} km`;
  };

  const refresh = () => { // at most once a screen refresh
    if (waiting || !pixels) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const began = performance.now();
      drawBase(); drawPoints(); drawMarks(); drawRate(); drawScale(); describe();
      stage.dispatchEvent(new CustomEvent("moved", { detail: { x: view.x, y: view.y, span: height / view.scale, frame, kind } }));
      stage.dataset.milliseconds = (performance.now() - began).toFixed(1);
      stage.dataset.ready = "true";
    });
  };

  const show = (next) => { frame = next; if (frame >= 0) $("hour").value = String(frame); hide(); refresh(); };
  const zoom = (factor, x = width / 2, y = height / 2) => {
    const scale = Math.max(home().scale * 0.6, Math.min(400, view.scale * factor)), ratio = 1 / view.scale - 1 / scale;
    view.x += ((x - width / 2) / stretch()) * ratio; view.y -= (y - height / 2) * ratio;
    view.scale = scale; limit();
  };
  const limit = () => {
    view.y = Math.max(-88, Math.min(88, view.y));
    view.x = Math.max(middle - 180, Math.min(middle + 180, view.x));
    refresh();
  };
  const stop = () => { clearInterval(playing); playing = 0; $("play").setAttribute("aria-pressed", "false"); $("play").textContent = "\u25B6 play"; };

  stage.addEventListener("move", ({ detail }) => { // to a place, as high as so many degrees; a step of time
    if (!pixels) return;
    if (detail.span > 0) { view = { x: detail.x, y: detail.y, scale: Math.max(home().scale * 0.6, Math.min(400, height / detail.span)) }; limit(); }
    if (detail.frame !== undefined) show(Math.max(-1, Math.min(nFrames - 1, detail.frame)));
  });
  $("hour").max = String(Math.max(0, nFrames - 1));
  $("hour").addEventListener("input", (event) => { stop(); show(Number(event.target.value)); });
  $("all").addEventListener("click", () => { stop(); show(-1); });
  $("colour").addEventListener("change", refresh);
  $("in").addEventListener("click", () => zoom(1.6));
  $("out").addEventListener("click", () => zoom(1 / 1.6));
  $("home").addEventListener("click", () => { view = home(); refresh(); });
  $("play").addEventListener("click", () => {
    if (playing) { stop(); return; }
    $("play").setAttribute("aria-pressed", "true"); $("play").textContent = "\u275A\u275A pause";
    show((frame + 1) % nFrames);
    playing = setInterval(() => show((frame + 1) % nFrames), Math.max(120, Math.min(400, 8000 / nFrames)));
  });
  rate.addEventListener("click", (event) => { stop(); show(Math.min(nFrames - 1, Math.floor((event.offsetX / rate.clientWidth) * nFrames))); });

  // Drag with one pointer, pinch with two. One finger up or down scrolls the page (touch-action).
  const held = new Map();
  let began = null;
  const place = (event) => { const box = stage.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  const spread = () => { const [a, b] = [...held.values()]; return { apart: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }; };
  const move = (right, down) => { view.x -= right / (view.scale * stretch()); view.y += down / view.scale; limit(); };
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.tagName === "BUTTON") return;
    if (!held.size) began = place(event);
    stage.setPointerCapture(event.pointerId); held.set(event.pointerId, place(event)); stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const now = place(event), before = held.get(event.pointerId);
    tellPlace(now);
    if (!before) { if (event.target.tagName !== "BUTTON") hover(now); return; }
    if (began && Math.hypot(now.x - began.x, now.y - began.y) > 5) { began = null; hide(); }
    if (held.size === 2) {
      const old = spread(); held.set(event.pointerId, now); const fresh = spread();
      move(fresh.x - old.x, fresh.y - old.y);
      zoom(fresh.apart / Math.max(1, old.apart), fresh.x, fresh.y);
      return;
    }
    held.set(event.pointerId, now);
    if (!began) move(now.x - before.x, now.y - before.y);
  });
  stage.addEventListener("pointerup", (event) => {
    if (began && held.size === 1) { hover(began, 16); choose(labelAt(began), event.pointerType === "mouse"); } // a click or a tap
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => {
    held.delete(event.pointerId); if (!held.size) { stage.classList.remove("held"); began = null; }
  });
  stage.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); $("place").textContent = ""; });
  let helping = 0;
  stage.addEventListener("wheel", (event) => { // without Ctrl the wheel is the page's
    if (!event.ctrlKey && !event.metaKey) {
      clearTimeout(helping); $("help").classList.add("on"); helping = setTimeout(() => $("help").classList.remove("on"), 900);
      return;
    }
    event.preventDefault();
    const at = place(event); zoom(Math.exp(-event.deltaY * 0.0015), at.x, at.y);
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const step = 60 / view.scale, keys = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (keys[event.key]) { view.x += keys[event.key][0]; view.y += keys[event.key][1]; limit(); event.preventDefault(); }
    if (event.key === "+" || event.key === "=") zoom(1.3);
    if (event.key === "-") zoom(1 / 1.3);
    if (event.key === "Home") { view = home(); refresh(); event.preventDefault(); }
    if (event.key === "Escape") hide();
  });

  const degrees = (value, [plus, minus]) => `${Math.abs(value).toFixed(2)}\u00B0 ${value >= 0 ? plus : minus}`;
  const wound = (value) => ((value + 540) % 360 + 360) % 360 - 180;
  const name = (x, y) => `${degrees(y, "NS")}, ${degrees(wound(x), "EW")}`;
  const tellPlace = (at) => {
    const x = view.x + (at.x - width / 2) / (view.scale * stretch()), y = view.y - (at.y - height / 2) / view.scale;
    $("place").textContent = Math.abs(y) <= 90 ? name(x, y) : "";
  };
  const hide = () => { $("tip").style.display = "none"; };

  // From the table to the map, and back.
  const labelAt = (at) => {
    const reach = kind === "storms" ? 7 : 11;
    const found = labels.find((one) => Math.hypot(one.x - at.x, one.y - at.y) < reach ||
      (Math.abs(one.middleX - at.x) < one.halfWidth + 3 && Math.abs(one.middleY - at.y) < one.halfHeight + 3));
    return found ? found.one : null;
  };
  const choose = (one, scrolls = false) => {
    for (const row of rows.querySelectorAll("tr.found")) row.classList.remove("found");
    chosen = one ? one.number : -1;
    const row = one && rows.querySelector(`#${noun()}${one.number}`);
    if (one && kind === "storms") chart?.show(one);
    if (row) { row.classList.add("found"); if (scrolls) row.closest(".scroll").scrollIntoView({ block: "nearest" }); if (scrolls) row.scrollIntoView({ block: "nearest" }); }
    refresh();
  };
  for (const button of rows.querySelectorAll(".show")) button.addEventListener("click", () => {
    const wanted = button.dataset.storm ? "storms" : "clusters";
    if (kind !== wanted) setKind(wanted);
    goTo(listed().find(({ number }) => String(number) === (button.dataset.storm || button.dataset.cluster)));
  });
  const goTo = (one) => {
    if (!one) return;
    stop(); frame = -1; choose(one);
    const radius = Math.max(one.radius, 60) / 111.195; // degrees
    view = { x: unwind(one.lon), y: one.lat, scale: Math.min(400, Math.min(width, height) / (5 * radius)) };
    limit();
    stage.focus({ preventScroll: true }); stage.scrollIntoView({ block: "center" });
  };
  const setKind = (next) => { kind = next; choose(null); hide(); };
  for (const button of root.querySelectorAll("button[data-kind]")) button.addEventListener("click", () => setKind(button.dataset.kind));
  const step = (by) => {
    if (kind !== "storms") setKind("storms");
    const next = layer.list[(chart.number + by + layer.list.length) % layer.list.length];
    choose(next, false);
  };
  for (const button of rows.querySelectorAll("[data-step]")) button.addEventListener("click", () => step(Number(button.dataset.step)));
  rows.querySelector("#locate")?.addEventListener("click", () => { if (kind !== "storms") setKind("storms"); goTo(layer.list[chart.number]); });
  if (stormy) chart?.show(layer.list[0]);

  const hover = (at, reach = 10) => { // a center or its label, or else the nearest flash within reach (pixels)
    const [from, to] = range(), x = view.x + (at.x - width / 2) / (view.scale * stretch()), y = view.y - (at.y - height / 2) / view.scale;
    let best = reach / view.scale, found = -1;
    best *= best;
    const k = stretch();
    for (let i = from; i < to; i += 1) {
      const dx = (lon[i] - x) * k, dy = lat[i] - y, apart = dx * dx + dy * dy;
      if (apart < best) { best = apart; found = i; }
    }
    const tip = $("tip"), center = labelAt(at);
    if (!center && found < 0) { hide(); return; }
    const size = (one) => kind === "storms" ? [one.motion, one.jumps.length ? `${one.jumps.length} lightning jumps` : ""].filter(Boolean).join("\n")
      : `RMS radius ${one.radius.toLocaleString("en")} km`;
    const group = (i) => kind === "clusters" ? `cluster ${data.clusters[cluster[i]].number}` : storm[i] === noStorm ? "in no storm" : `storm ${storm[i]}`;
    tip.textContent = center
      ? `${noun()} ${center.number}\n${center.count.toLocaleString("en")} flash${center.count === 1 ? "" : "es"}\n${size(center)}`.trim()
      : `${new Date(data.start + time[found]).toISOString().slice(0, 19).replace("T", " ")} UTC\n` +
        `${name(lon[found], lat[found])}\n${group(found)}`;
    tip.style.display = "block";
    tip.style.left = `${Math.max(4, Math.min(at.x + 14, width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.min(at.y + 14, height - tip.offsetHeight - 8)}px`;
  };

  new ResizeObserver(resize).observe(stage);
};
