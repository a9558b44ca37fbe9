// The flow editor: rows for more answers, and only the fields that a kind of node has.
"use strict";

(() => {
  const form = document.getElementById("node-form");
  if (!form) return;
  const answers = form.querySelector("[data-answers]");
  const kind = form.elements.namedItem("type");
  const ends = form.dataset.ends.split(" ");
  let dirty = false;

  // What holds text stays visible: a problem of the flow may ask to remove it.
  const filled = (box) =>
    [...box.querySelectorAll("input:not([type=hidden], [type=checkbox]), textarea, select")].some(
      (control) => !control.name.endsWith("-ORDER") && control.value.trim() !== "",
    );

  const showOnly = (box, wanted) => box.toggleAttribute("data-hidden", !wanted && !filled(box));

  const follow = () => {
    showOnly(answers, !ends.includes(kind.value));
    for (const box of form.querySelectorAll("[data-only]")) {
      showOnly(box, box.dataset.only === kind.value);
    }
  };

  const add = answers.querySelector("[data-add-answer]");
  const total = form.elements.namedItem("answers-TOTAL_FORMS");

  const addRow = () => {
    const number = Number(total.value);
    const row = answers.querySelector("template").content.firstElementChild.cloneNode(true);
    for (const element of row.querySelectorAll("*")) {
      for (const { name, value } of [...element.attributes]) {
        if (value.includes("__prefix__")) {
          element.setAttribute(name, value.replaceAll("__prefix__", number));
        }
      }
    }
    add.before(row);
    total.value = number + 1;
    add.disabled = number + 1 >= Number(add.dataset.max);
    row.querySelector(".answer-label :is(input, textarea)").focus();
  };

  add.hidden = false;
  add.disabled = Number(total.value) >= Number(add.dataset.max);
  add.addEventListener("click", addRow);
  kind.addEventListener("change", follow);
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
  follow();

  // Only the outline moves, never the page.
  const outline = document.querySelector(".editor-outline");
  const current = outline.querySelector("[aria-current]");
  if (current) {
    const { top } = outline.getBoundingClientRect();
    const away = current.getBoundingClientRect().top - top;
    if (away > outline.clientHeight / 2) outline.scrollTop = away - outline.clientHeight / 3;
  }
})();
