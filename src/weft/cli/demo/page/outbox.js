// Files on their way to the server, in the browser's own database: they outlive a reload, and the browser.
// Where it does not keep them (private windows, a full disk), they are held as long as the page is open.

const held = new Map();
const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("weft-demo-photos", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("files", { keyPath: "id" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
opened.catch(() => {}); // told to whoever asks

async function ask(mode, act) {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const change = database.transaction("files", mode, { durability: "strict" });
    const request = act(change.objectStore("files"));
    change.oncomplete = () => resolve(request.result);
    change.onerror = change.onabort = () => reject(change.error);
  });
}

// Keep an entry: {id, name, size, file}, or with a `problem` instead of the file.
export async function put(entry) {
  try {
    await ask("readwrite", (files) => files.put(entry));
  } catch {
    held.set(entry.id, entry);
  }
}

// All entries, in the order of their ids.
export async function all() {
  const kept = await ask("readonly", (files) => files.getAll()).catch(() => []);
  return [...kept, ...held.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
}

export async function remove(id) {
  held.delete(id);
  await ask("readwrite", (files) => files.delete(id)).catch(() => {});
}

// Whether closing the page would lose something.
export const volatile = () => held.size > 0;
