/* Nothing that was typed into a draft is lost: it is kept in this browser until it is saved, leaving the page asks
   first, and what did not arrive, because the session had ended or the line was down, comes back. It is sent to the
   server again for that, which lays it on top of what is saved now, and saves nothing. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const state = document.getElementById("typing");
    const form = state?.closest("form");
    if (!form) return;

    const PREFIX = "procedures.typed.";
    const MAX_AGE_MS = 14 * 24 * 3600 * 1000;
    const key = `${PREFIX}${state.dataset.user}.${state.dataset.draft}`;
    const base = form.elements.base.value;
    const initial = content();
    const isUnsaved = state.dataset.unsaved === "true";
    let isLeaving = false;
    let timer;

    function content() {
        const left = new Set(["csrfmiddlewaretoken", "resume"]);
        return JSON.stringify([...new FormData(form)].filter(([name]) => !left.has(name)));
    }

    function read(name) {
        try {
            return JSON.parse(localStorage.getItem(name));
        } catch {
            return null;
        }
    }

    function keep(isSent) {
        try {
            localStorage.setItem(key, JSON.stringify({at: Date.now(), base, isSent, content: content()}));
            state.textContent = `Not saved yet; kept in this browser at ${new Date().toLocaleTimeString()}.`;
        } catch {
            state.textContent = "Not saved yet. This browser keeps nothing: save soon.";
        }
    }

    function forget() {
        localStorage.removeItem(key);
        state.textContent = "";
    }

    function forgetOldOnes() {
        for (const name of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
            if (!(read(name)?.at > Date.now() - MAX_AGE_MS)) localStorage.removeItem(name);
        }
    }

    /* Send what was kept as if it had just been typed; the server answers with the form, and saves nothing. */
    function resume(kept) {
        isLeaving = true;
        const again = Object.assign(document.createElement("form"), {method: "post", hidden: true});
        const fields = [...JSON.parse(kept.content), ["csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value], ["resume", "1"]];
        for (const [name, value] of fields) {
            again.append(Object.assign(document.createElement("textarea"), {name, value}));
        }
        document.body.append(again);
        again.submit();
    }

    function offer(kept) {
        const button = (text, act) => {
            const made = Object.assign(document.createElement("button"), {type: "button", className: "member-button", textContent: text});
            made.addEventListener("click", act);
            return made;
        };
        state.replaceChildren(
            `You typed here at ${new Date(kept.at).toLocaleString()}, and it was not saved. `,
            button("Bring it back", () => resume(kept)), " ", button("Forget it", forget),
        );
    }

    forgetOldOnes();
    const kept = read(key);
    if (isUnsaved) keep(false);
    else if (kept?.isSent && kept.base !== base) forget();  // it has arrived
    else if (kept?.isSent && kept.content !== initial) return resume(kept);  // it has not
    else if (kept && kept.content !== initial) offer(kept);

    form.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(() => keep(false), 300);
    });
    form.addEventListener("submit", (event) => {
        if (event.submitter?.formTarget === "_blank") return;
        clearTimeout(timer);
        isLeaving = true;
        keep(true);
    });
    window.addEventListener("pageshow", () => { isLeaving = false; });
    window.addEventListener("beforeunload", (event) => {
        if (!isLeaving && (isUnsaved || content() !== initial)) event.preventDefault();
    });
});
