// What sets the list of images and the viewer going; a page without images has neither.

startFilters();
startOrder();
startSelection();
startImages();
startGestures();
startCompare();
startOverlays();
startDraws();
startKeys();
startZoom();
startViewer();
