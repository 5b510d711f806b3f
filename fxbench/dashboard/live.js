// The camera of the page Live. One picture is under way at a time: the next is sent when the last
// was answered, so that the newest is always the next to be looked at.
// Where answers come late, boxes are drawn on the picture that they belong to, and not on the
// camera's newest.
const WIDTH = 640, LEAST_MS = 80, PATIENCE_MS = 15000, LATE_MS = 250;
const COLOURS = ["#50c8ff", "#78e678", "#ffaa50", "#ff8cd2", "#faf064"];
const cameras = new WeakMap();

class Camera {
  constructor(root, send) {
    this.root = root;
    this.send = send;
    this.part = (name) => root.querySelector(`[data-part=${name}]`);
    this.video = root.querySelector("video");
    this.canvas = root.querySelector("canvas");
    this.paper = document.createElement("canvas");
    this.shown = document.createElement("canvas");
    this.late = false;
    this.number = 0;
    this.waiting = null;
    this.answered = -1;
    this.lags = [];
    this.times = [];
    this.part("switch").onclick = () => (this.stream ? this.stop() : this.start());
    this.part("mirror").onchange = () => this.mirror();
    this.part("cameras").onchange = () => this.start();
    this.mirror();
  }

  mirror() {
    this.part("stage").classList.toggle("mirrored", this.part("mirror").checked);
    this.draw();
  }

  say(text) {
    this.part("error").hidden = !text;
    this.part("error").textContent = text || "";
  }

  async start() {
    this.stop();
    this.say("");
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
      this.say("This browser gives the page no camera: it does so at http://127.0.0.1 and "
        + "http://localhost on this machine, and on encrypted pages.");
      return;
    }
    const wanted = this.part("cameras").value;
    const run = (this.run = (this.run || 0) + 1);
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: 640 }, height: { ideal: 480 },
          ...(wanted ? { deviceId: { exact: wanted } } : {}) },
      });
      if (run !== this.run || !this.root.isConnected) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      this.stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      const why = { NotAllowedError: "it was not allowed: allow it in the browser's address bar",
        NotFoundError: "there is none", NotReadableError: "another program uses it" };
      this.say(`The camera can't be opened: ${why[error.name] || error.message}.`);
      return;
    }
    this.part("hint").hidden = true;
    this.part("switch").textContent = "Stop camera";
    this.part("stage").style.aspectRatio = `${this.video.videoWidth} / ${this.video.videoHeight}`;
    this.list();
    this.timer = setInterval(() => this.next(), LEAST_MS);
  }

  stop() {
    this.run = (this.run || 0) + 1;
    clearInterval(this.timer);
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.waiting = null;
    this.faces = [];
    this.lags = [];
    this.times = [];
    this.late = false;
    this.part("hint").hidden = false;
    this.part("switch").textContent = "Start camera";
    this.part("rate").textContent = "";
    this.part("people").replaceChildren();
    this.draw();
  }

  async list() {
    const devices = (await navigator.mediaDevices.enumerateDevices())
      .filter((device) => device.kind === "videoinput" && device.deviceId);
    const chosen = this.stream && this.stream.getVideoTracks()[0].getSettings().deviceId;
    this.part("which").hidden = devices.length < 2;
    this.part("cameras").replaceChildren(...devices.map((device, index) => {
      const option = document.createElement("option");
      option.value = device.deviceId;
      option.textContent = device.label || `camera ${index + 1}`;
      option.selected = device.deviceId === chosen;
      return option;
    }));
  }

  next() {
    const now = performance.now();
    if (!this.stream || !this.video.videoWidth || document.hidden) return;
    if (this.waiting && now - this.waiting.begin < PATIENCE_MS) return;
    const scale = Math.min(1, WIDTH / this.video.videoWidth);
    this.paper.width = Math.round(this.video.videoWidth * scale);
    this.paper.height = Math.round(this.video.videoHeight * scale);
    this.paper.getContext("2d").drawImage(this.video, 0, 0, this.paper.width, this.paper.height);
    this.waiting = { number: ++this.number, begin: now };
    this.send({ number: this.number, picture: this.paper.toDataURL("image/jpeg", 0.8) });
  }

  answer(data) {
    // The same answer comes with every rendering of the page.
    if (!data || !this.waiting || data.number !== this.waiting.number) return;
    const now = performance.now();
    this.lags = [...this.lags, now - this.waiting.begin].slice(-20);
    this.times = [...this.times, now].slice(-20);
    this.waiting = null;
    this.say(data.error);
    [this.paper, this.shown] = [this.shown, this.paper];
    this.faces = data.faces || [];
    this.emotions = data.emotions || [];
    const lag = [...this.lags].sort((a, b) => a - b)[this.lags.length >> 1];
    this.late = lag > LATE_MS;
    this.draw();
    this.tell();
    const span = this.times[this.times.length - 1] - this.times[0];
    const rate = span > 0 ? (1000 * (this.times.length - 1)) / span : 0;
    this.part("rate").textContent =
      `${rate.toFixed(1)} answers/s, ${lag.toFixed(0)} ms after the picture, `
      + `${Number(data.ms || 0).toFixed(0)} ms of it in the models`
      + (this.late ? ". Shown are the pictures that were answered" : "");
  }

  draw() {
    const box = this.canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(box.width * dense));
    this.canvas.height = Math.max(1, Math.round(box.height * dense));
    const pen = this.canvas.getContext("2d");
    pen.scale(dense, dense);
    const mirrored = this.part("mirror").checked;
    if (this.late && this.stream) {
      pen.save();
      if (mirrored) pen.transform(-1, 0, 0, 1, box.width, 0);
      pen.drawImage(this.shown, 0, 0, box.width, box.height);
      pen.restore();
    }
    (this.faces || []).forEach((face, index) => {
      let [x1, y1, x2, y2] = face.box;
      if (mirrored) [x1, x2] = [1 - x2, 1 - x1];
      const colour = COLOURS[index % COLOURS.length];
      const left = x1 * box.width, top = y1 * box.height;
      pen.lineWidth = 5;
      pen.strokeStyle = "#000";
      pen.strokeRect(left, top, (x2 - x1) * box.width, (y2 - y1) * box.height);
      pen.lineWidth = 2.5;
      pen.strokeStyle = colour;
      pen.strokeRect(left, top, (x2 - x1) * box.width, (y2 - y1) * box.height);
      const lines = face.answers.map((one) => `${one.label} ${Camera.share(one.share)}`);
      if (face.answers.length > 1) face.answers.forEach((one, i) => (lines[i] = `${one.name}: ${lines[i]}`));
      lines.unshift(`face ${index + 1}, labelled as`);
      pen.font = "600 15px sans-serif";
      const wide = Math.max(...lines.map((line) => pen.measureText(line).width)) + 14;
      const high = lines.length * 20 + 6;
      const x = Math.max(0, Math.min(left, box.width - wide));
      const y = top - high - 4 >= 0 ? top - high - 4 : Math.min(y2 * box.height + 4, box.height - high);
      pen.fillStyle = "rgba(0, 0, 0, .72)";
      pen.fillRect(x, y, wide, high);
      lines.forEach((line, i) => {
        pen.fillStyle = i ? "#fff" : colour;
        pen.fillText(line, x + 7, y + 18 + 20 * i);
      });
    });
  }

  static share(value) {
    return value === null || value === undefined ? "" : value.toFixed(2);
  }

  tell() {
    const make = (name, text, kind) => {
      const element = document.createElement(name);
      if (text !== undefined) element.textContent = text;
      if (kind) element.className = kind;
      return element;
    };
    const cards = this.faces.flatMap((face, index) => face.answers.map((one) => {
      const card = make("div", undefined, "card");
      card.append(make("h3", `Face ${index + 1}, ${one.name}`));
      card.append(make("p", `labelled as ${one.label} ${Camera.share(one.share)}`));
      this.emotions.forEach((emotion, place) => {
        const value = one.shares[place];
        if (value === null || value === undefined) return;
        const row = make("div", undefined, "row"), bar = make("i"), box = make("span");
        bar.style.width = `${100 * value}%`;
        box.append(bar);
        row.append(make("span", emotion), box, make("b", value.toFixed(2)));
        card.append(row);
      });
      return card;
    }));
    if (!this.faces.length) cards.push(make("p", "No face is found in the picture."));
    this.part("people").replaceChildren(...cards);
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".live");
  let camera = cameras.get(root);
  if (!camera) {
    camera = new Camera(root, (sent) => camera.trigger("frame", sent));
    cameras.set(root, camera);
  }
  camera.trigger = setTriggerValue;
  camera.answer(data);
  return () => {
    // This is called between renderings too: only what has left the page is over.
    setTimeout(() => { if (!root.isConnected) camera.stop(); }, 0);
  };
}
