// A page that is opened from the disk may not start a worker; the search of these pages runs in a hidden frame instead.
// Loaded by every page (mkdocs.yml, `extra.polyfills`; its name there keeps the theme from fetching one from a network).
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inside = frame.contentWindow;
      // What the worker says comes out here; what it is told waits until it listens.
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = () => undefined;
      this.listening = new Promise((ready, failed) => {
        const script = inside.document.createElement("script");
        script.src = url;
        script.onload = ready;
        script.onerror = () => failed(new Error(`cannot load ${url}`));
        inside.document.body.appendChild(script);
      });
      this.frame = frame;
    }
    postMessage(data) {
      const inside = this.frame.contentWindow;
      this.listening.then(() => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
