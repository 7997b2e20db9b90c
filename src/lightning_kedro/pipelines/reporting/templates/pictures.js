"use strict";
(() => {
  // Pictures: large, and as files.
  const large = document.getElementById("large");
  for (const button of document.querySelectorAll(".enlarge")) button.addEventListener("click", () => {
    large.querySelector("img")?.remove();
    large.append(button.querySelector("img").cloneNode()); large.showModal();
  });
  for (const button of document.querySelectorAll(".download[data-file]")) button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = button.closest("figure").querySelector("img").src; link.download = button.dataset.file; link.click();
  });
  document.getElementById("close").addEventListener("click", () => large.close());
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
})();
