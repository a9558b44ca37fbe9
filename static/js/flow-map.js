// A map that is wider than the page begins where walks begin, and can be seen whole.
"use strict";

(() => {
  const map = document.querySelector(".flowmap");
  const button = document.querySelector("[data-fit-map]");
  if (!map) return;

  const showStart = () => {
    const nodes = [...map.querySelectorAll(".node")];
    if (!nodes.length) return;
    const boxes = nodes.map((node) => node.getBoundingClientRect());
    const first = boxes.reduce((top, box) => (box.top < top.top ? box : top));
    const frame = map.getBoundingClientRect();
    map.scrollLeft += first.left + first.width / 2 - frame.left - frame.width / 2;
  };

  const fits = () => map.scrollWidth <= map.clientWidth;

  showStart();
  if (button && !fits()) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const fit = map.classList.toggle("fit");
      button.setAttribute("aria-pressed", String(fit));
      if (!fit) showStart();
    });
  }
})();
