"""What people see and press, a card a file; NiceGUI draws it, and tells what was pressed."""
