// What every page does beyond plain HTML. Nothing here is needed to get work done:
// each form and link works without it. All listeners are delegated, so that parts that
// htmx swaps in need no setting up.
"use strict";

(() => {
  const root = document.documentElement;
  const words = document.getElementById("words")?.dataset ?? {};
  const DAY = 86400;

  // A cleared text node first: the same sentence twice is otherwise read once.
  const announce = (text) => {
    const region = document.getElementById("announce");
    if (!region) return;
    region.textContent = "";
    window.setTimeout(() => { region.textContent = text; }, 50);
  };

  // --- theme ---------------------------------------------------------------------------
  // The admin's own switch reads this key: both then show the same theme.
  const remember = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Storage may be forbidden; the cookie is what counts.
    }
  };

  const switchTheme = async (form, submitter) => {
    const theme = submitter.value;
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    remember(theme);
    form.closest("details")?.removeAttribute("open");
    // The button that was pressed hides itself: its twin takes the focus.
    if (submitter.checkVisibility && !submitter.checkVisibility()) {
      [...form.elements].find((button) => button !== submitter && button.checkVisibility())?.focus();
    }
    try {
      // The answer redirects to this page, which is on the screen already.
      await fetch(form.action, {
        method: "POST",
        body: new FormData(form, submitter),
        redirect: "manual",
      });
    } catch {
      announce(words.offline ?? "");
    }
  };

  // --- messages ------------------------------------------------------------------------
  const SHOWN_FOR = 8000;

  const expire = (toast) => {
    const leave = () => {
      // Whoever reads or reaches for it keeps it.
      if (toast.matches(":hover, :focus-within")) window.setTimeout(leave, 2000);
      else toast.remove();
    };
    window.setTimeout(leave, SHOWN_FOR);
  };

  const watchToasts = (toasts) => {
    const arrived = (toast) => {
      if (!toast.hasAttribute("data-keep")) expire(toast);
    };
    toasts.querySelectorAll(".toast").forEach((toast) => {
      arrived(toast);
      // What was there when the page loaded is not a change, so it is not read out.
      announce(toast.querySelector("p").textContent);
    });
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          if (node instanceof Element && node.matches(".toast")) arrived(node);
        }
      }
    }).observe(toasts, { childList: true });
  };

  const showError = (text) => {
    const toast = document.getElementById("toast-template")?.content.cloneNode(true);
    if (!toast) return;
    toast.querySelector("p").textContent = text;
    document.getElementById("toasts").append(toast);
  };

  // --- "are you sure?" -------------------------------------------------------------------
  const confirmed = new WeakSet();

  const ask = (form, submitter, question) => {
    const dialog = document.getElementById("confirm-dialog");
    const source = submitter?.dataset.confirm ? submitter : form;
    const [yes] = dialog.querySelectorAll("[value=yes]");
    dialog.querySelector("h2").textContent = question;
    dialog.querySelector("p").textContent = source.dataset.confirmText ?? "";
    dialog.querySelector("p").hidden = !source.dataset.confirmText;
    yes.textContent =
      source.dataset.confirmAction ?? (submitter?.textContent.trim() || words.confirm);
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        confirmed.add(form);
        form.requestSubmit(submitter);
      },
      { once: true },
    );
    dialog.returnValue = "";
    dialog.showModal();
  };

  // In the capturing phase: htmx listens on the form itself and must not see it yet.
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const { submitter } = event;
      if (form.matches("[data-theme-switch]") && submitter) {
        event.preventDefault();
        switchTheme(form, submitter);
        return;
      }
      if (form.matches("[data-clear-drafts]")) {
        // Signing out leaves nothing behind for the next person at this screen.
        try {
          Object.keys(localStorage)
            .filter((name) => name.startsWith("draft:"))
            .forEach((name) => localStorage.removeItem(name));
        } catch {
          // Without storage there are no drafts.
        }
      }
      const question = submitter?.dataset.confirm ?? form.dataset.confirm;
      if (!question || confirmed.delete(form)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(form, submitter, question);
    },
    true,
  );

  // --- copying -------------------------------------------------------------------------
  // data-copy names an element of this page, or the address of a plain text.
  const textOf = async (source) => {
    if (!source.startsWith("/")) {
      const element = document.querySelector(source);
      return element.value ?? element.textContent.trim();
    }
    const answer = await fetch(source);
    // After a redirect to the login this is a page, not the text.
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    return answer.text();
  };

  const copy = async (button) => {
    const source = button.dataset.copy;
    const text = textOf(source);
    try {
      // Safari wants the promise: after waiting for it the click no longer counts.
      const blob = text.then((plain) => new Blob([plain], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    } catch {
      // Plain HTTP and strict browsers have no clipboard: leave the last step to the hand.
      if (source.startsWith("/")) {
        window.location.assign(source);
        return;
      }
      const element = document.querySelector(source);
      element.hidden = false;
      if (element.select) element.select();
      else window.getSelection().selectAllChildren(element);
      showError(words.copyFailed);
      return;
    }
    announce(words.copied);
    const label = [...button.childNodes].findLast(
      (node) => node.nodeType === Node.TEXT_NODE && node.data.trim(),
    );
    if (!label || label.data === words.copied) return;
    const before = label.data;
    label.data = words.copied;
    window.setTimeout(() => { label.data = before; }, 2000);
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const button = target?.closest("[data-dismiss], [data-copy], [data-open-dialog], [data-print]");
    if (button?.hasAttribute("data-dismiss")) {
      const toast = button.closest(".toast");
      const next = toast.nextElementSibling?.querySelector("button");
      toast.remove();
      (next ?? document.getElementById("main"))?.focus({ preventScroll: true });
    } else if (button?.dataset.copy) {
      copy(button);
    } else if (button?.dataset.openDialog) {
      document.getElementById(button.dataset.openDialog)?.showModal();
    } else if (button?.hasAttribute("data-print")) {
      window.print();
    }
    document.querySelectorAll("details:is(.menu, .confirm)[open]").forEach((details) => {
      if (!details.contains(target)) details.open = false;
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details:is(.menu, .confirm)[open]").forEach((details) => {
      details.open = false;
      if (details.contains(document.activeElement)) details.querySelector("summary").focus();
    });
  });

  // --- where the focus goes ----------------------------------------------------------------
  const within = (part, selector) =>
    part.matches?.(selector) ? part : part.querySelector(selector);

  const place = (part) => {
    // A summary of errors comes first: it says why the page looks as before.
    const goal =
      within(part, "[data-error-summary]") ?? within(part, "[data-autofocus]");
    // Who is quick stands in a field of the new part already: letters that lost it would
    // be taken for keys, and answer the question.
    const busy = document.activeElement;
    if (goal?.contains(busy) && busy.matches("input, textarea, select")) return;
    if (!goal) return;
    // What is taller than the window is read from its head, which a browser may scroll off.
    goal.focus({ preventScroll: true });
    const { top } = goal.getBoundingClientRect();
    const header = document.querySelector(".site-header")?.offsetHeight ?? 0;
    if (top < header || top > window.innerHeight / 2) {
      window.scrollBy({ top: top - header - 16 });
    }
  };

  // --- folding on a phone, where the path would push the answers out of sight ------------
  const phone = window.matchMedia("(max-width: 48rem)");

  const fold = (part) => {
    if (!phone.matches) return;
    part.querySelectorAll("details[data-fold-phone][open]").forEach((details) => {
      details.open = false;
    });
  };

  // --- times ---------------------------------------------------------------------------
  // The words are those of the `ago` filter; after a day it only changes at midnight or
  // so, which a reload may bring.
  const ago = (time) => {
    const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (seconds < 0 || seconds >= DAY) return;
    const [word, count] =
      seconds < 60
        ? [words.now, 0]
        : seconds < 3600
          ? [words.minutes, Math.floor(seconds / 60)]
          : [words.hours, Math.floor(seconds / 3600)];
    const text = word?.replace("#", count);
    if (text && text !== time.textContent) time.textContent = text;
  };

  const tick = (timer) => {
    const passed = Math.max(0, Math.floor((Date.now() - Date.parse(timer.dataset.timerSince)) / 1000));
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes, seconds] = [Math.floor(passed / 3600), Math.floor(passed / 60) % 60, passed % 60];
    timer.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
  };

  const eachMinute = () => document.querySelectorAll("time[data-ago]").forEach(ago);
  const eachSecond = () => {
    if (!document.hidden) document.querySelectorAll("[data-timer-since]").forEach(tick);
  };

  // --- htmx ------------------------------------------------------------------------------
  const WHOLE_PAGE = /^\s*<!doctype html/i;

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event;
    const { xhr } = detail;
    if (!WHOLE_PAGE.test(xhr.responseText) || detail.target === document.body) return;
    if (xhr.status < 400) {
      // A redirect led to a whole page. To the login: load this page again, so that
      // signing in leads back here. Elsewhere: go there.
      detail.shouldSwap = false;
      if (/\sdata-login[\s>]/.test(xhr.responseText)) window.location.reload();
      else window.location.assign(xhr.responseURL);
    } else if (detail.shouldSwap) {
      // "Not now" as a page: its content stands where the present one stood.
      detail.target = document.getElementById("main");
      detail.selectOverride = "#main";
      detail.swapOverride = "outerHTML";
    }
  });

  const offline = () => showError(`${words.offline} ${words.kept}`);

  // Other errors change nothing on the page, least of all what was typed into it.
  document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const said = page.querySelector("[data-problem] p")?.textContent.trim();
    showError(`${said || words.failed} ${words.kept}`);
  });
  document.addEventListener("htmx:sendError", offline);
  document.addEventListener("htmx:timeout", offline);

  document.addEventListener("htmx:afterSwap", ({ target }) => {
    fold(target);
    eachSecond();
  });
  document.addEventListener("htmx:afterSettle", ({ target }) => place(target));

  // --- start -------------------------------------------------------------------------------
  remember(root.dataset.theme ?? "auto");
  fold(document);
  const summary = document.querySelector("[data-error-summary]");
  if (summary) summary.focus();
  const toasts = document.getElementById("toasts");
  if (toasts) watchToasts(toasts);

  // On a phone the navigation scrolls sideways; show where one is.
  const nav = document.querySelector(".site-nav");
  const here = nav?.querySelector("[aria-current]");
  if (here && nav.scrollWidth > nav.clientWidth) {
    nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }

  eachMinute();
  eachSecond();
  window.setInterval(eachMinute, 30_000);
  window.setInterval(eachSecond, 1000);
})();
