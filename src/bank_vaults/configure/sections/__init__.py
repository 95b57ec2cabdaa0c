"""One module for each section of a document: from what it says to objects that are wanted."""
