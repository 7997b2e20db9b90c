// The report has its data inside, and one map.
drawMap(
  document, JSON.parse(document.getElementById("data").textContent), document,
  document.getElementById("series") && stormChart,
);
