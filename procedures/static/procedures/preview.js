/* Instructions as operators will see them, below the field in which one writes them. The server makes the HTML, and
   cleans it, as it does for operators. */
"use strict";

(() => {
    const ASK_AFTER_MS = 300;

    class Preview {
        constructor(text) {
            this.text = text;
            this.asked = 0;
            this.shown = Object.assign(document.createElement("div"), {className: "instructions-preview", hidden: true});
            this.shown.setAttribute("role", "region");
            this.shown.setAttribute("aria-label", "Preview of the instructions");
            this.button = Object.assign(document.createElement("button"), {type: "button", className: "member-button", textContent: "Preview"});
            this.button.setAttribute("aria-pressed", "false");
            this.button.addEventListener("click", () => this.toggle());
            text.addEventListener("input", () => {
                clearTimeout(this.timer);
                if (!this.shown.hidden) this.timer = setTimeout(() => this.ask(), ASK_AFTER_MS);
            });
            const box = Object.assign(document.createElement("div"), {className: "instructions-box"});
            text.before(box);
            box.append(text, this.button, this.shown);
        }

        toggle() {
            this.shown.hidden = !this.shown.hidden;
            this.button.setAttribute("aria-pressed", String(!this.shown.hidden));
            if (!this.shown.hidden) this.ask();
        }

        async ask() {
            const number = ++this.asked;
            const body = new FormData();
            body.set("csrfmiddlewaretoken", this.text.form.elements.csrfmiddlewaretoken.value);
            body.set("text", this.text.value);
            let answer;
            try {
                const response = await fetch(this.text.dataset.previewUrl, {method: "POST", body, headers: {Accept: "application/json"}});
                answer = await response.json();
            } catch {
                answer = {refusal: "The server could not be asked."};
            }
            if (number !== this.asked) return;  // an answer to an older text
            if (answer.html === undefined) this.shown.textContent = answer.refusal ?? "The server could not be asked.";
            else if (answer.html === "") this.shown.textContent = "There is nothing to show yet.";
            else this.shown.innerHTML = answer.html;
        }
    }

    function begin(root) {
        for (const text of root.querySelectorAll("textarea[data-preview-url]")) {
            if (!text.name.includes("__prefix__")) new Preview(text);
        }
    }

    document.addEventListener("DOMContentLoaded", () => begin(document));
    document.addEventListener("formset:added", (event) => begin(event.target));
})();
