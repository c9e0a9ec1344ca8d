// Keeps the text that is being typed, and how long it took, beside Streamlit's chat box.
//
// data: {interview, seq}. The draft lies in the browser's own storage until the next question
// shows that it was accepted: a reload, a crash of the browser or of the server loses nothing. The
// seconds from the first key to the sending go to Python together with the answer.
const BOX = '[data-testid="stChatInputTextArea"]';
const BUTTON = '[data-testid="stChatInputSubmitButton"]';
const sent = new Map(); // interview -> the question whose answer was sent from this page
const started = new Map(); // interview -> when its first key was pressed

function read(place) {
  try {
    return JSON.parse(localStorage.getItem(place)) ?? {};
  } catch (error) {
    return {};
  }
}

function write(place, draft) {
  try {
    if (draft) localStorage.setItem(place, JSON.stringify(draft));
    else localStorage.removeItem(place);
  } catch (error) {
    console.warn("spar: the draft cannot be kept", error);
  }
}

function fill(area, text) {
  const property = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
  property.set.call(area, text);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

export default function ({ data, setStateValue }) {
  const { interview, seq } = data;
  const place = `spar-draft-${interview}`;
  const box = () => document.querySelector(BOX);

  function keep(event) {
    if (!event.target.matches?.(BOX)) return;
    const text = event.target.value;
    if (!text) started.delete(interview);
    else if (!started.has(interview)) started.set(interview, performance.now());
    write(place, text ? { seq, text } : null);
  }

  function sending() {
    if (!box()?.value.trim()) return;
    const since = started.get(interview);
    const seconds = since === undefined ? null : (performance.now() - since) / 1000;
    started.delete(interview);
    sent.set(interview, seq);
    setStateValue("typed", { seq, seconds });
  }

  function onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (event.target.matches?.(BOX)) sending();
  }

  function onClick(event) {
    if (event.target.closest?.(BUTTON)) sending();
  }

  function restore() {
    const draft = read(place);
    if (draft.seq !== seq) write(place, null);
    else if (sent.get(interview) !== seq && !box().value) fill(box(), draft.text);
  }

  document.addEventListener("input", keep, true);
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", onClick, true);
  const waiting = new MutationObserver(() => {
    if (!box()) return;
    waiting.disconnect();
    restore();
  });
  if (box()) restore();
  else waiting.observe(document.body, { childList: true, subtree: true });

  return () => {
    document.removeEventListener("input", keep, true);
    document.removeEventListener("keydown", onKey, true);
    document.removeEventListener("click", onClick, true);
    waiting.disconnect();
  };
}
