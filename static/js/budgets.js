// The review: which payee comes next, by key or after a decision. The list at the left is
// what tells; without this file each form and link loads the page anew.
"use strict";

(() => {
  const list = () => document.getElementById("payees");
  const item = () => document.getElementById("item");
  const row = () => document.getElementById(item()?.dataset.element ?? "");
  const neighbour = (step) => {
    const here = row();
    return step > 0 ? here?.nextElementSibling : here?.previousElementSibling;
  };

  // --- the list shows what is in focus, and the card what lies beside it ----------------
  const follow = () => {
    const here = row();
    list()?.querySelectorAll("a[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
    const link = here?.querySelector("a");
    link?.setAttribute("aria-current", "true");
    // The list alone: the page stays where the card put it.
    const box = here?.closest(".payees");
    if (box && box.scrollHeight > box.clientHeight) {
      const over = here.offsetTop - box.scrollTop;
      if (over < 0) box.scrollTop = here.offsetTop;
      else if (over + here.offsetHeight > box.clientHeight) {
        box.scrollTop = here.offsetTop + here.offsetHeight - box.clientHeight;
      }
    }
    item()?.querySelectorAll("[data-step]").forEach((step) => {
      step.hidden = Boolean(here) && !neighbour(Number(step.dataset.step));
    });
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const step = target?.closest("[data-step]");
    const link = step && neighbour(Number(step.dataset.step))?.querySelector("a");
    if (link) {
      event.preventDefault();
      link.click();
    }
  });

  // --- a decision: the payee after this one, else the one before it ----------------------
  let following = null;

  document.addEventListener("htmx:configRequest", ({ detail, target }) => {
    if (target.id !== "decide") return;
    following = neighbour(1) ?? neighbour(-1);
    if (following) detail.parameters.set("next", following.dataset.payee);
    else detail.parameters.delete("next");
  });

  document.addEventListener("htmx:afterSwap", ({ target }) => {
    if (target.id !== "item" && target.closest?.("#item") === null) return;
    item()?.closest(".queue")?.classList.add("has-item");
  });
  // After the swaps out of band, one of which takes the decided payee off the list.
  document.addEventListener("htmx:afterSettle", follow);

  // --- the card's form -------------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (!(field instanceof HTMLElement) || !field.closest("#decide")) return;
    if (event.key === "Escape" && field.matches("input, select")) {
      item().focus();
    } else if (event.key === "Enter" && field.matches("select, input[type=text]")) {
      // Else the browser may open the list of a select instead of sending the form.
      event.preventDefault();
      // Out of the field first: htmx would put the focus into the next payee's.
      item().focus();
      field.form.querySelector("[value=approve]").click();
    }
  });

  document.addEventListener("input", ({ target }) => {
    if (target.id === "name" && target.value) document.getElementById("rename").checked = true;
    if (target.matches("[data-tick-all]")) {
      target.form.querySelectorAll("[data-tick]").forEach((box) => { box.checked = target.checked; });
    } else if (target.matches("[data-tick]")) {
      const all = target.form.querySelector("[data-tick-all]");
      const boxes = [...target.form.querySelectorAll("[data-tick]")];
      if (all) all.checked = boxes.every((box) => box.checked);
    }
  });

  follow();
})();
