"use strict";
// Storms over the map: outlines, tracks with arrows, jumps. Of a step in time the outlines are those
// of its flashes, and tracks end where the storms were.
const stormLayer = (data, map) => {
  const list = data.storms.map((one) => {
    const xs = one.outline.filter((_, i) => i % 2 === 0), ys = one.outline.filter((_, i) => i % 2);
    const west = Math.min(...xs), east = Math.max(...xs), south = Math.min(...ys), north = Math.max(...ys);
    const stretch = Math.cos((south + north) * Math.PI / 360);
    return { ...one, ring: xs.map((x, i) => [x, ys[i]]), lon: (west + east) / 2, lat: (south + north) / 2,
      radius: Math.max((east - west) * stretch, north - south) / 2 * 111.195 };
  });
  const closeUp = 60; // pixels a degree
  // Flashes of each storm in the step that is shown, by number: for outlines and for who is there.
  let members = null;
  const collect = (from, to) => {
    members = new Map();
    for (let i = from; i < to; i += 1) {
      const storm = map.storm[i];
      if (storm >= list.length) continue;
      if (!members.has(storm)) members.set(storm, []);
      members.get(storm).push([map.lon[i], map.lat[i]]);
    }
  };
  const hull = (points) => { // Andrew's monotone chain
    const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const half = (some) => {
      const chain = [];
      for (const point of some) {
        while (chain.length > 1) {
          const [a, b] = chain.slice(-2);
          if ((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]) > 0) break;
          chain.pop();
        }
        chain.push(point);
      }
      return chain.slice(0, -1);
    };
    return sorted.length < 3 ? sorted : [...half(sorted), ...half(sorted.reverse())];
  };
  const until = (track, end) => { // the track up to a moment; what lies between two points is a line
    const past = track.filter(([time]) => time <= end), next = track[past.length];
    if (!past.length) return track.slice(0, 1);
    if (!next) return past;
    const last = past[past.length - 1], share = (end - last[0]) / (next[0] - last[0]);
    return [...past, [end, last[1] + share * (next[1] - last[1]), last[2] + share * (next[2] - last[2])]];
  };

  const trace = (context, points, closed) => {
    const shift = map.unwind(points[0][0]) - points[0][0];
    context.beginPath();
    points.forEach(([x, y], i) => { const at = [map.toX(x + shift), map.toY(y)]; if (i) context.lineTo(...at); else context.moveTo(...at); });
    if (closed) context.closePath();
  };
  const head = (context, a, b, size) => {
    const angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    context.save(); context.translate(...b); context.rotate(angle);
    context.beginPath(); context.moveTo(size * 0.4, 0); context.lineTo(-size, size * 0.5); context.lineTo(-size * 0.7, 0); context.lineTo(-size, -size * 0.5); context.closePath();
    context.fillStyle = "#eef2f6"; context.fill(); context.lineWidth = 1; context.strokeStyle = "#0b0e13"; context.stroke();
    context.restore();
  };

  const drawTrack = (context, one, end, strong) => {
    const track = until(one.track, end).map(([, x, y]) => [x, y]);
    const shift = map.unwind(track[0][0]) - track[0][0], on = track.map(([x, y]) => [map.toX(x + shift), map.toY(y)]);
    const first = on[0], last = on[on.length - 1];
    if (on.length < 2 || Math.hypot(last[0] - first[0], last[1] - first[1]) < 8) return;
    for (const [colour, weight] of [["#0b0e13", strong ? 4.5 : 3], ["#eef2f6", strong ? 2 : 1.1]]) {
      trace(context, track, false);
      context.strokeStyle = colour; context.lineWidth = weight; context.stroke();
    }
    head(context, on[on.length - 2], last, strong ? 11 : 7);
  };
  const drawMark = (context, x, y) => {
    context.beginPath(); context.moveTo(x, y - 6); context.lineTo(x + 5.5, y + 4); context.lineTo(x - 5.5, y + 4); context.closePath();
    context.fillStyle = "#ffd24d"; context.fill(); context.lineWidth = 1.2; context.strokeStyle = "#0b0e13"; context.stroke();
  };
  const jumps = (one, frame) => {
    const start = frame < 0 ? 0 : data.edges[frame], end = map.end(frame);
    return one.jumps.filter(([time, algorithm]) => algorithm === "2-sigma" && time >= start && time < end);
  };

  return {
    list,
    // Which storms are there in a step of time, and where at its end; all of them without one.
    present(frame) {
      const [from, to] = map.range();
      if (frame < 0) members = null; else collect(from, to);
      const end = map.end(frame);
      return list.filter((one) => !members || members.has(one.number)).map((one) => {
        const [, x, y] = until(one.track, end).pop();
        return { one, lon: x, lat: y };
      });
    },
    drawMark,
    hasJumped: (one, frame) => jumps(one, frame).length > 0,
    draw(context, frame, chosen, labelled, scale) {
      const end = map.end(frame);
      context.setLineDash([]); context.lineJoin = "round";
      const shown = list.filter((one) => !members || members.has(one.number));
      for (const one of shown) {
        trace(context, members ? hull(members.get(one.number)) : one.ring, true);
        context.strokeStyle = data.colours[one.colour]; context.lineWidth = one.number === chosen ? 4 : 1.4; context.stroke();
      }
      for (const one of shown) drawTrack(context, one, end, one.number === chosen || labelled.has(one.number));
      if (scale < closeUp) return; // from afar a mark would hide its storm: labels have it
      for (const one of shown) for (const [time] of jumps(one, frame)) {
        const [, x, y] = until(one.track, time).pop();
        drawMark(context, map.toX(map.unwind(x)), map.toY(y));
      }
    },
  };
};
