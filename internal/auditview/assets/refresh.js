// Keeps the page fresh without losing the place in it: fetches the page again and swaps the parts marked data-live. The page
// works without it.
"use strict";
(() => {
  const seconds = Number(document.currentScript.dataset.seconds);
  const stale = document.getElementById("stale");
  let busy = false;

  async function refresh() {
    const selection = getSelection();
    if (busy || document.hidden || (selection && !selection.isCollapsed)) return;
    busy = true;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      if (!response.ok) throw new Error(String(response.status));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (!next || next.innerHTML === part.innerHTML) continue;
        const focused = part.contains(document.activeElement) ? document.activeElement : null;
        const scrolled = Array.from(part.querySelectorAll(".scroll"), (e) => e.scrollLeft);
        part.replaceChildren(...next.childNodes);
        if (focused) {
          const href = focused.getAttribute("href");
          const again = Array.from(part.querySelectorAll("a, .scroll")).find((e) => e.tagName === focused.tagName && e.getAttribute("href") === href);
          if (again) again.focus({ preventScroll: true });
        }
        part.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
      }
      stale.textContent = "";
    } catch {
      stale.textContent = "· could not be refreshed, trying again";
    } finally {
      busy = false;
    }
  }

  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
