// Keys for people who answer with the caller on the line, and notes that survive a
// reload. Loaded on pages that have [data-key] or [data-draft-key].
"use strict";

(() => {
  const DRAFTS = "[data-draft-key] [data-draft], :is(input, textarea)[data-draft-key]";

  // --- keys: any element with data-key is pressed by that key -----------------------------
  const typing = (element) =>
    element instanceof HTMLElement &&
    (element.isContentEditable || element.matches("input, textarea, select"));

  const holder = (key) =>
    [...document.querySelectorAll("[data-key]")].find(
      (element) =>
        element.dataset.key.toLowerCase() === key &&
        !element.disabled &&
        element.checkVisibility(),
    );

  const press = (element) => {
    if (typing(element)) {
      element.focus();
      element.select?.();
    } else {
      element.focus();
      element.click();
    }
  };

  document.addEventListener("keydown", (event) => {
    // Read each time: the setting may change without a new page.
    if (document.body.dataset.shortcuts === "off") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // A held key or an input method must not answer the next question too.
    if (event.repeat || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape" && event.target.matches(DRAFTS)) {
        // Out of the note and back to the keys.
        event.target.blur();
        document.querySelector("[data-autofocus]")?.focus();
      }
      return;
    }
    const help = document.getElementById("keys-help");
    if (event.key === "?" && help) {
      event.preventDefault();
      help.showModal();
      return;
    }
    const element = holder(event.key.toLowerCase());
    if (!element) return;
    event.preventDefault(); // else the letter lands in the field that takes the focus
    press(element);
  });

  // --- notes: kept in this browser until they are sent --------------------------------------
  // data-draft-key, on the field or around a field with data-draft, is
  // "<what>-<id>-<revision>". A page that shows another revision of the same thing tells
  // that the form was taken: then, and only then, the draft goes. What was typed for an
  // older revision and never sent is offered again.
  const PREFIX = "draft:";
  const KEPT_FOR = 7 * 86_400_000; // milliseconds
  const fields = (part) => [...part.querySelectorAll(DRAFTS)];
  const keyOf = (field) => field.closest("[data-draft-key]").dataset.draftKey;
  const subject = (key) => key.replace(/[^-:]*$/, "");

  const store = {
    read(key) {
      try {
        return JSON.parse(localStorage.getItem(PREFIX + key));
      } catch {
        return null; // storage is off, or somebody else wrote there
      }
    },
    write(key, draft) {
      try {
        localStorage.setItem(PREFIX + key, JSON.stringify(draft));
      } catch {
        // Full or forbidden: the field itself still holds the text.
      }
    },
    remove(key) {
      try {
        localStorage.removeItem(PREFIX + key);
      } catch {
        // As above.
      }
    },
    keys() {
      try {
        return Object.keys(localStorage)
          .filter((name) => name.startsWith(PREFIX))
          .map((name) => name.slice(PREFIX.length));
      } catch {
        return [];
      }
    },
  };

  const keep = (field, sent = false) => {
    const draftKey = keyOf(field);
    if (field.value.trim()) store.write(draftKey, { text: field.value, at: Date.now(), sent });
    else store.remove(draftKey);
  };

  const restore = (field) => {
    const draftKey = keyOf(field);
    const drafts = store
      .keys()
      .filter((key) => subject(key) === subject(draftKey))
      .map((key) => ({ key, ...store.read(key) }));
    for (const draft of drafts) {
      if (draft.key !== draftKey && draft.sent) store.remove(draft.key);
    }
    // The server's own text is newer: it is what was sent and came back.
    if (field.value) {
      keep(field);
      return;
    }
    const unsent = drafts.filter((draft) => draft.key === draftKey || !draft.sent);
    const draft =
      unsent.find(({ key }) => key === draftKey) ??
      unsent.sort((one, other) => other.at - one.at)[0];
    if (!draft?.text) return;
    field.value = draft.text;
    if (draft.key !== draftKey) {
      store.remove(draft.key);
      keep(field);
    }
    field.closest("details:not([open])")?.setAttribute("open", "");
  };

  const tidy = () => {
    for (const key of store.keys()) {
      const draft = store.read(key);
      if (!draft || Date.now() - draft.at > KEPT_FOR) store.remove(key);
    }
  };

  document.addEventListener("input", ({ target }) => {
    if (target instanceof Element && target.matches(DRAFTS)) keep(target);
  });

  // Bubbling, after app.js has asked "are you sure?".
  document.addEventListener("submit", (event) => {
    fields(event.target).forEach((field) => keep(field, true));
  });

  document.addEventListener("htmx:afterSwap", ({ target }) => {
    fields(target).forEach(restore);
  });

  tidy();
  fields(document).forEach(restore);
})();
