/* Slots and checklists as rows of fields. The rows read and write the JSON of the text field that they hide, which is
   what is sent; without this script, that text field is what one types into. A number is kept as it was typed: 12.50
   stays 12.50, which JSON.parse would not do. What the server found wrong is shown in the row that it is about. */
"use strict";

(() => {
    const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
    const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
    const MARK = "\u0001";  // stands before a number; no JSON text contains it unescaped
    const LABELS = {
        key: "Key", label: "Label", type: "Type", required: "Required", unit: "Unit", min: "Minimum",
        max: "Maximum", out_of_range: "Outside the range", decimals: "Decimals", pattern: "Pattern (RE2)",
        min_length: "Minimum length", max_length: "Maximum length", options: "Options", value: "Value",
    };
    const NUMERIC = new Set(["min", "max", "decimals", "min_length", "max_length"]);
    const FINDING = /^(?:Slot|Item) (\d+)(?: \([^)]*\))?(?:, (\w+))?/;

    // Reading and writing

    const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

    function parse(text) {
        const marked = text.replace(STRINGS_AND_NUMBERS, (token) => token[0] === '"' ? token : `"\\u0001${token}"`);
        const members = JSON.parse(marked || "[]");
        if (!Array.isArray(members) || !members.every(isObject)) throw new SyntaxError("not a list of objects");
        return members;
    }

    function written(value) {
        if (typeof value === "string") return value[0] === MARK ? value.slice(1) : JSON.stringify(value);
        if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
        if (isObject(value)) {
            return `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${written(member)}`).join(", ")}}`;
        }
        return JSON.stringify(value);
    }

    const shown = (value) => typeof value === "string" && value[0] === MARK ? value.slice(1) : value ?? "";
    const typed = (name, text) => NUMERIC.has(name) && NUMBER.test(text.trim()) ? MARK + text.trim() : text;

    // The page

    function element(tag, members = {}, ...children) {
        const made = Object.assign(document.createElement(tag), members);
        made.append(...children);
        return made;
    }

    function button(text, title, act) {
        const made = element("button", {type: "button", className: "member-button", title, onclick: act}, text);
        made.setAttribute("aria-label", title);
        return made;
    }

    function labelled(name, input) {
        return element("label", {className: `member-field member-${name}`}, element("span", {}, LABELS[name]), input);
    }

    class Editor {
        constructor(text) {
            this.text = text;
            this.rules = JSON.parse(text.dataset.rules);
            this.what = text.dataset.what;
            this.article = /^[aeiou]/.test(this.what) ? "an" : "a";
            this.rows = element("div", {className: "member-rows"});
            this.message = element("p", {className: "help"});
            this.asText = button("Show as text", `Show the ${this.what}s as text`, () => this.toggle());
            this.adding = button(`Add ${this.article} ${this.what}`, `Add ${this.article} ${this.what}`, () => this.add({}, true));
            this.box = element("div", {className: "members"}, this.rows, this.message,
                element("div", {className: "member-bar"}, this.adding, this.asText));
            text.after(this.box);
            text.addEventListener("members:read", () => this.read());
            this.read();
            this.place();
        }

        read() {
            let members;
            try {
                members = parse(this.text.value);
            } catch {
                this.message.textContent = "This cannot be shown as rows: see the message, or correct the text.";
                this.text.hidden = false;
                return false;
            }
            this.message.textContent = members.length ? "" : `No ${this.what}s yet.`;
            this.members = members;
            this.rows.replaceChildren(...members.map((member) => this.row(member)));
            this.text.hidden = true;
            return true;
        }

        toggle() {
            if (this.text.hidden) {
                this.text.hidden = false;
                this.rows.hidden = this.adding.hidden = true;
                this.asText.textContent = "Show as rows";
            } else if (this.read()) {
                this.rows.hidden = this.adding.hidden = false;
                this.asText.textContent = "Show as text";
            }
        }

        write() {
            this.text.value = this.members.length ? `[\n${this.members.map(written).join(",\n")}\n]` : "[]";
            this.message.textContent = this.members.length ? "" : `No ${this.what}s yet.`;
            this.text.dispatchEvent(new Event("input", {bubbles: true}));
        }

        add(member, isNew) {
            if (isNew) Object.assign(member, {key: "", label: "", ...(this.rules.types ? {type: "text"} : {}), required: true});
            this.members.push(member);
            this.rows.append(this.row(member));
            this.rows.lastElementChild.querySelector("input").focus();
            this.write();
        }

        move(member, distance) {
            const from = this.members.indexOf(member);
            const to = from + distance;
            if (to < 0 || to >= this.members.length) return;
            this.members.splice(to, 0, ...this.members.splice(from, 1));
            const row = this.rows.children[from];
            if (distance < 0) this.rows.children[to].before(row); else this.rows.children[to].after(row);
            row.querySelector(distance < 0 ? ".member-up" : ".member-down").focus();
            this.write();
        }

        remove(member, row) {
            this.members.splice(this.members.indexOf(member), 1);
            row.remove();
            this.adding.focus();
            this.write();
        }

        row(member) {
            const row = element("div", {className: "member-row", role: "group"});
            this.fill(row, member);
            return row;
        }

        fill(row, member) {
            const title = `this ${this.what}`;
            const up = button("↑", `Move ${title} up`, () => this.move(member, -1));
            const down = button("↓", `Move ${title} down`, () => this.move(member, 1));
            up.classList.add("member-up");
            down.classList.add("member-down");
            row.replaceChildren(
                ...this.names(member).map((name) => this.field(row, member, name)),
                element("div", {className: "member-bar"}, up, down,
                    button("Duplicate", `Duplicate ${title}`, () => this.add(structuredClone(member), false)),
                    button("Remove", `Remove ${title}`, () => this.remove(member, row))),
            );
        }

        /* The fields of a row: those that its type allows, and whatever else is there, so that it can be cleared. */
        names(member) {
            const common = this.rules.types ? ["key", "label", "type", "required"] : ["key", "label", "required"];
            const allowed = (this.rules.types ?? {})[member.type] ?? [];
            const left = Object.keys(member).filter((name) => LABELS[name] && !common.includes(name) && !allowed.includes(name));
            return [...common, ...allowed, ...left];
        }

        field(row, member, name) {
            if (name === "options") return this.options(member);
            if (name === "required") return labelled(name, this.tick(member));
            const choices = name === "type" ? Object.keys(this.rules.types) : this.rules.choices?.[name];
            const input = choices ? this.choice(member, name, choices) : this.input(member, name);
            if (name === "type") input.addEventListener("change", () => {
                this.fill(row, member);
                row.querySelector(".member-type select").focus();
            });
            return name === "pattern" ? this.pattern(input) : labelled(name, input);
        }

        tick(member) {
            return element("input", {type: "checkbox", checked: member.required !== false, onchange: (event) => {
                member.required = event.target.checked;
                this.write();
            }});
        }

        set(member, name, text) {
            if (text === "" && name !== "key" && name !== "label") delete member[name]; else member[name] = typed(name, text);
            this.write();
        }

        input(member, name) {
            return element("input", {
                type: "text", value: shown(member[name]), autocomplete: "off", inputMode: NUMERIC.has(name) ? "decimal" : "text",
                oninput: (event) => this.set(member, name, event.target.value),
            });
        }

        choice(member, name, choices) {
            const known = name === "type" ? [] : [""];
            const present = shown(member[name]);
            const all = [...known, ...choices, ...(choices.includes(present) || present === "" ? [] : [present])];
            const select = element("select", {onchange: (event) => this.set(member, name, event.target.value)},
                ...all.map((choice) => element("option", {value: choice, selected: choice === present},
                    this.rules.words?.[choice] ?? choice)));
            return select;
        }

        options(member) {
            member.options ??= [];
            const list = element("div", {className: "member-options"}, element("span", {}, LABELS.options));
            const draw = () => {
                list.replaceChildren(list.firstElementChild, ...member.options.map((option, index) => element("div", {className: "member-option"},
                    ...["value", "label"].map((name) => labelled(name, element("input", {
                        type: "text", value: shown(option[name]), autocomplete: "off",
                        oninput: (event) => { option[name] = event.target.value; this.write(); },
                    }))),
                    button("Remove", "Remove this option", () => { member.options.splice(index, 1); this.write(); draw(); }),
                )), button("Add an option", "Add an option", () => {
                    member.options.push({value: "", label: ""});
                    this.write();
                    draw();
                    list.querySelector(".member-option:last-of-type input").focus();
                }));
            };
            draw();
            return list;
        }

        /* A pattern with a field to try a value: the server matches it, because browsers have other patterns than RE2. */
        pattern(input) {
            const verdict = element("output", {className: "member-verdict"});
            const value = element("input", {type: "text", placeholder: "Try a value", autocomplete: "off"});
            value.setAttribute("aria-label", "Try a value");
            let timer;
            const ask = () => {
                clearTimeout(timer);
                verdict.textContent = "";
                if (input.value && value.value) timer = setTimeout(() => this.ask(input.value, value.value, verdict), 300);
            };
            input.addEventListener("input", ask);
            value.addEventListener("input", ask);
            return element("div", {className: "member-field member-pattern"}, labelled("pattern", input), value, verdict);
        }

        async ask(pattern, value, verdict) {
            const body = new FormData();
            body.set("csrfmiddlewaretoken", this.text.form.elements.csrfmiddlewaretoken.value);
            body.set("pattern", pattern);
            body.set("value", value);
            try {
                const answer = await fetch(this.text.dataset.tryUrl, {method: "POST", body, headers: {Accept: "application/json"}});
                verdict.textContent = (await answer.json()).verdict;
            } catch {
                verdict.textContent = "The server could not be asked.";
            }
        }

        /* Put what the server found wrong into the rows that it is about. */
        place() {
            const list = this.text.closest(".form-row")?.querySelector(".errorlist");
            for (const item of list?.querySelectorAll("li") ?? []) {
                const [, number, name] = FINDING.exec(item.textContent) ?? [];
                const row = number && this.rows.children[Number(number) - 1];
                if (!row) continue;
                const where = name && row.querySelector(`.member-${name}`);
                (where || row).append(element("span", {className: "member-error"}, item.textContent));
                where?.querySelector("input, select")?.setAttribute("aria-invalid", "true");
            }
        }
    }

    function begin(root) {
        for (const text of root.querySelectorAll("textarea[data-what]")) {
            if (!text.name.includes("__prefix__")) new Editor(text);
        }
    }

    document.addEventListener("DOMContentLoaded", () => begin(document));
    document.addEventListener("formset:added", (event) => begin(event.target));
})();
