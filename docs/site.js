// Code that is wider than the page can be scrolled with the keys.
for (const code of document.querySelectorAll("pre > code")) code.tabIndex = 0;
