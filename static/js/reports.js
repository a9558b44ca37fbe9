// A map wider than the page begins where walks begin, not at its left edge.
for (const map of document.querySelectorAll(".flowmap")) {
  const first = map.querySelector(".node");
  if (first) {
    const box = first.getBoundingClientRect();
    const frame = map.getBoundingClientRect();
    map.scrollLeft = box.left + box.width / 2 - frame.left - frame.width / 2;
  }
}
