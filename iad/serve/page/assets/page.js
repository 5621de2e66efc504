// Sends pictures to POST /v1/predict, as every program does: the same queue, limits and log.
"use strict";

const iad = (() => {
  const AT_ONCE = 2; // pictures on their way at the same time
  const MOVES = ["j", "k", "arrowdown", "arrowup"];
  const KEYS = ["g", "b", "n", "h", "?", ...MOVES];
  const waiting = [];
  let running = 0, sent = 0, failed = 0, total = 0, batch = 0;

  const at = (id) => document.getElementById(id);
  const tell = (text) => emitEvent("iad_told", text);
  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

  async function post(file) {
    const form = new FormData();
    form.append("files", file, file.name);
    const bundle = encodeURIComponent(at("iad-drop").dataset.bundle);
    for (;;) {
      const answer = await fetch(`/v1/predict?bundle=${bundle}`, { method: "POST", body: form });
      if (answer.status === 401) location.reload();
      if (answer.status !== 429) return answer;
      await pause(Number(answer.headers.get("Retry-After")) || 1);
    }
  }

  async function judge(file) {
    try {
      const answer = await post(file);
      const found = await answer.json();
      if (found.verdicts) emitEvent("iad_judged", { number: found.verdicts[0].number, left: waiting.length, batch });
      else throw new Error(found.error);
    } catch (error) {
      failed += 1;
      tell(`${file.name}: ${error.message}`);
      return;
    }
    sent += 1;
    if (!failed) tell(sent === total ? "" : `${sent} of ${total} judged`);
  }

  async function work() {
    running += 1;
    while (waiting.length) await judge(waiting.shift());
    running -= 1;
    if (running) return;
    sent = failed = total = 0;
    at("iad-drop").ariaBusy = "false";
  }

  function take(files) {
    if (!files.length) return;
    if (!running) batch += 1;
    at("iad-drop").ariaBusy = "true";
    waiting.push(...files);
    total += files.length;
    for (let n = running; n < AT_ONCE && n < waiting.length; n += 1) work();
  }

  async function cameraOn() {
    if (!navigator.mediaDevices) {
      tell("A browser gives its camera to pages of this computer or over HTTPS only; open this page in one of these ways.");
      return;
    }
    try {
      at("iad-video").srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 1920 } },
      });
      at("iad-camera").hidden = false;
    } catch (error) {
      tell(`The camera cannot be used: ${error.message}`);
    }
  }

  function cameraOff() {
    at("iad-video").srcObject?.getTracks().forEach((track) => track.stop());
    at("iad-video").srcObject = null;
    at("iad-camera").hidden = true;
  }

  function shot() {
    const video = at("iad-video");
    if (!video.videoWidth) return;
    const canvas = Object.assign(document.createElement("canvas"), {
      width: video.videoWidth, height: video.videoHeight,
    });
    canvas.getContext("2d").drawImage(video, 0, 0);
    const name = `camera-${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}.png`;
    canvas.toBlob((blob) => take([new File([blob], name, { type: "image/png" })]), "image/png"); // lossless
  }

  function showChosen() { // in the list, without moving the page
    const row = document.querySelector(".iad-row.chosen");
    const list = row?.closest(".q-table__middle");
    if (!list) return;
    const [inner, outer] = [row.getBoundingClientRect(), list.getBoundingClientRect()];
    if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
    if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
  }

  const isTyping = (event) => event.target.closest?.("input, textarea, select, [role=slider]");
  // with the part that is on the screen now, since it may be another when the server hears of it
  const press = (key) => emitEvent("iad_key", { key, number: document.querySelector(".iad-part").dataset.number });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    button?.blur(); // so that Space takes a picture and does not press it again
    if (button?.dataset.key) press(button.dataset.key);
    ({ "iad-camera-on": cameraOn, "iad-camera-off": cameraOff, "iad-shot": shot })[button?.id]?.();
  });
  document.addEventListener("change", (event) => {
    if (event.target.id !== "iad-files") return;
    take([...event.target.files]);
    event.target.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("iad-dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("iad-dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("iad-dragging");
    take([...event.dataTransfer.files]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id === "iad-drop" && event.key === "Enter") at("iad-files").click();
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && !at("iad-camera").hidden) {
      event.preventDefault();
      shot();
    } else if (KEYS.includes(event.key.toLowerCase()) && (!event.repeat || MOVES.includes(event.key.toLowerCase()))) {
      event.preventDefault();
      press(event.key);
      if (MOVES.includes(event.key.toLowerCase())) setTimeout(showChosen, 300);
    }
  });

  const remember = (name) => localStorage.setItem("iad-speaker", name);
  const greet = () => {
    const name = localStorage.getItem("iad-speaker");
    if (name) emitEvent("iad_speaker", name);
  };
  setTimeout(greet, 1500); // once the page is connected
  return { remember };
})();
