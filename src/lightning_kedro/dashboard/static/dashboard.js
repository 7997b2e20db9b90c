"use strict";
// The pages' maps: each in a shadow root of its own, so that two of them have the same elements.
// What is looked at stands in the address; on a page of two linked maps both show the same place.
(() => {
  const read = async (address, say) => {
    for (;;) {
      const answer = await fetch(address);
      if (answer.ok) return answer.json();
      const { error } = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
      if (answer.status !== 503) throw new Error(error);
      say("A run is under way, or another program has the database open; the map is read as soon as it can be.");
      await new Promise((done) => setTimeout(done, 1000 * (Number(answer.headers.get("Retry-After")) || 2)));
    }
  };

  const address = new URL(location.href);
  let saving = 0;
  const remember = (name, value) => { // in the address, without a step back for every move
    if (value === null) address.searchParams.delete(name); else address.searchParams.set(name, value);
    clearTimeout(saving);
    saving = setTimeout(() => history.replaceState(null, "", address), 250);
  };
  const recall = (names) => {
    const [x, y, span] = (address.searchParams.get(names.view) || "").split(",").map(Number);
    const detail = Number.isFinite(x) && Number.isFinite(y) && span > 0 ? { x, y, span } : {};
    const frame = address.searchParams.get(names.frame);
    if (frame !== null && /^\d{1,6}$/.test(frame)) detail.frame = Number(frame);
    return detail;
  };

  const hosts = [...document.querySelectorAll(".map")];
  const linked = Boolean(document.querySelector("[data-linked]"));
  const stages = [];
  const isNear = (one, other) => ["x", "y", "span"].every((name) => Math.abs(one[name] - other[name]) < 1e-6 * Math.max(1, Math.abs(one[name])));

  const follow = (stage, index) => {
    const mark = hosts.length > 1 ? ["A", "B"][index] : "";
    const names = { view: linked || !mark ? "view" : `view${mark}`, frame: `frame${mark}` };
    let home = null, last = null;
    stage.addEventListener("moved", ({ detail }) => {
      if (home === null) { // the first time it is drawn
        home = detail; last = detail;
        const wanted = recall(names);
        if (Object.keys(wanted).length) stage.dispatchEvent(new CustomEvent("move", { detail: wanted }));
        return;
      }
      if (detail.kind !== home.kind || address.searchParams.has("by")) remember("by", detail.kind.slice(0, -1));
      remember(names.frame, detail.frame < 0 ? null : String(detail.frame));
      if (isNear(detail, last)) return;
      last = detail;
      remember(names.view, isNear(detail, home) ? null : [detail.x, detail.y, detail.span].map((one) => Number(one.toFixed(4))).join(","));
      if (!linked) return;
      const { x, y, span } = detail;
      for (const other of stages) if (other !== stage && !isNear(detail, other.seen || { x: NaN })) other.dispatchEvent(new CustomEvent("move", { detail: { x, y, span } }));
    });
    stage.addEventListener("moved", ({ detail }) => { stage.seen = detail; });
    stages.push(stage);
  };

  const show = async (host, index, basemap) => {
    const state = host.previousElementSibling, say = (text) => { state.textContent = text; };
    try {
      const data = await read(host.dataset.source, say);
      data.basemap = await basemap;
      const root = host.attachShadow({ mode: "open" }), style = document.createElement("link");
      style.rel = "stylesheet"; style.href = "/static/report.css";
      root.append(style, document.getElementById("map-template").content.cloneNode(true));
      await new Promise((done) => { style.addEventListener("load", done); style.addEventListener("error", done); });
      follow(root.getElementById("stage"), index);
      drawMap(root, data, document.getElementById(host.dataset.rows) || root);
      say(""); host.dataset.shown = "true";
    } catch (error) {
      say(`The map cannot be shown: ${error.message}`);
    }
  };
  const basemap = hosts.length ? read("/static/basemap.json", () => {}) : null;
  if (basemap) basemap.catch(() => {}); // said by each map that waits for it
  hosts.forEach((host, index) => { show(host, index, basemap); });
})();
