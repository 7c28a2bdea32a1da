"use strict";

SwaggerUIBundle({
  dom_id: "#docs",
  url: document.getElementById("docs").dataset.document,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: true,
  validatorUrl: null, // its default is a host on the internet
});
