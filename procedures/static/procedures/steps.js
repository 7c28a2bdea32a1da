/* The steps of a draft in the order in which they are done: moved by buttons, by dragging, duplicated. The order is what
   the position fields say, which are numbered here and hidden; without this script, one types the numbers. */
"use strict";

(() => {
    const said = Object.assign(document.createElement("p"), {className: "visually-hidden"});
    said.setAttribute("aria-live", "polite");

    const group = () => document.getElementById("steps-group");
    const rows = () => [...group().querySelectorAll(".inline-related:not(.empty-form)")];
    const input = (row, name) => row.querySelector(`[name$="-${name}"]`);
    const isEditable = (row) => input(row, "position") !== null;

    function number() {
        rows().forEach((row, index) => {
            const position = input(row, "position");
            if (position.value === String(index + 1)) return;
            position.value = index + 1;
            position.dispatchEvent(new Event("input", {bubbles: true}));
        });
        rows().forEach(title);
    }

    function title(row, index) {
        const name = input(row, "title").value || "new";
        row.querySelector(".inline_label").textContent = `${index + 1}. ${name}`;
    }

    function move(row, distance, control) {
        const all = rows();
        const other = all[all.indexOf(row) + distance];
        if (!other) return;
        if (distance < 0) other.before(row); else other.after(row);
        number();
        control.focus();
        said.textContent = `Step ${input(row, "key").value} is now at place ${rows().indexOf(row) + 1}.`;
    }

    function duplicate(row) {
        group().querySelector(".add-row a").click();
        const copy = rows().at(-1);
        for (const field of row.querySelectorAll("input, select, textarea")) {
            const name = field.name.split("-").at(-1);
            const target = ["id", "revision", "DELETE", ""].includes(name) ? null : input(copy, name);
            if (!target) continue;
            if (field.type === "checkbox") target.checked = field.checked; else target.value = field.value;
            target.dispatchEvent(new Event("members:read"));
        }
        input(copy, "key").value = freeKey(input(row, "key").value);
        row.after(copy);
        number();
        input(copy, "key").focus();
        said.textContent = "The step is duplicated. Give the copy a key of its own.";
    }

    function freeKey(key) {
        const taken = new Set(rows().map((row) => input(row, "key").value));
        let copy = `${key}-copy`;
        for (let count = 2; taken.has(copy); count += 1) copy = `${key}-copy-${count}`;
        return copy.slice(0, 63);
    }

    function button(text, label, act) {
        const made = Object.assign(document.createElement("button"), {type: "button", className: "member-button", title: label, textContent: text});
        made.setAttribute("aria-label", label);
        made.addEventListener("click", () => act(made));
        return made;
    }

    function equip(row) {
        if (!isEditable(row) || row.querySelector(".step-bar")) return;
        const bar = Object.assign(document.createElement("span"), {className: "step-bar"});
        const handle = Object.assign(document.createElement("span"), {className: "step-handle", textContent: "⠿", title: "Drag the step"});
        handle.setAttribute("aria-hidden", "true");
        bar.append(
            handle,
            button("↑", "Move this step up", (control) => move(row, -1, control)),
            button("↓", "Move this step down", (control) => move(row, 1, control)),
            button("Duplicate", "Duplicate this step", () => duplicate(row)),
        );
        row.querySelector("h3").append(bar);
        input(row, "title").addEventListener("input", () => title(row, rows().indexOf(row)));
        handle.draggable = true;
        handle.addEventListener("dragstart", (event) => {
            event.dataTransfer.setData("text/plain", input(row, "key").value);
            event.dataTransfer.setDragImage(row, 0, 0);
            row.classList.add("step-dragged");
        });
        handle.addEventListener("dragend", () => {
            row.classList.remove("step-dragged");
            number();
        });
    }

    function dragOver(event) {
        const dragged = group().querySelector(".step-dragged");
        const over = event.target.closest?.(".inline-related:not(.empty-form)");
        if (!dragged || !over) return;
        event.preventDefault();
        if (over === dragged) return;
        const {top, height} = over.getBoundingClientRect();
        if (event.clientY < top + height / 2) over.before(dragged); else over.after(dragged);
    }

    document.addEventListener("DOMContentLoaded", () => {
        if (!group() || !group().querySelector('[name$="-position"]')) return;
        group().classList.add("steps-ordered");
        group().append(said);
        group().addEventListener("dragover", dragOver);
        rows().forEach(equip);
        rows().forEach(title);
    });
    document.addEventListener("formset:added", (event) => {
        equip(event.target);
        number();
    });
    document.addEventListener("formset:removed", number);
})();
