// Dark or light, before anything is drawn: as the system has it unless it was chosen here.
(() => {
  const kept = (() => { try { return localStorage.getItem('theme'); } catch { return null; } })();
  if (kept === 'dark' || kept === 'light') document.documentElement.dataset.theme = kept;
})();
