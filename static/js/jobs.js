// Parts of a page that keep themselves fresh: <… hx-trigger="every 2s" data-live>. They
// wait while nobody looks or while their words are being selected, fail in silence, for
// the next look comes by itself, and leave the focus where it was.
"use strict";

(() => {
  const isLive = (element) => element instanceof Element && element.hasAttribute("data-live");

  // What the part must not disturb: the element that data-live names, else itself.
  const regionOf = (part) =>
    (part.dataset.live && document.querySelector(part.dataset.live)) || part;

  const isSelected = (region) => {
    const selection = window.getSelection();
    return Boolean(selection && !selection.isCollapsed && selection.containsNode(region, true));
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.target;
    if (isLive(part) && (document.hidden || isSelected(regionOf(part)))) event.preventDefault();
  });

  // In the capturing phase: app.js would show each failure as a message.
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(
      name,
      (event) => {
        if (isLive(event.target)) event.stopPropagation();
      },
      true,
    );
  }

  // htmx finds a focused element again by its id. One that is gone, such as "Cancel" once
  // nothing is left to cancel, leaves the focus to the part that it stood in.
  let stoodIn = [];
  document.addEventListener("htmx:beforeSwap", () => {
    const parts = [".progress-card", "#job-state"];
    stoodIn = parts.map((part) => document.activeElement?.closest(part)?.id).filter(Boolean);
  });
  document.addEventListener("htmx:afterSettle", () => {
    const part = stoodIn.map((id) => document.getElementById(id)).find(Boolean);
    stoodIn = [];
    if (!part || document.activeElement !== document.body) return;
    part.setAttribute("tabindex", "-1");
    part.focus({ preventScroll: true });
  });
})();
