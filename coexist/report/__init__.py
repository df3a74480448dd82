"""Results of the use cases as text, JSON, SARIF, JUnit, annotations of code reviews, Markdown and HTML."""
